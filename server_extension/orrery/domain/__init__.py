"""The platform's rules: kinds, their specs and phases, references, access. Pure; no I/O."""
