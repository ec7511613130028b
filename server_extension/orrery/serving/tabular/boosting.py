"""XGBoost without scikit-learn.

`import xgboost` loads scikit-learn, pandas and scipy.stats where they are installed, for estimators that are not used
here: most of its import time, paid by every training and every replica. It does without them when they cannot be
imported, so they are hidden for the moment of the import. Where scikit-learn is loaded already nothing is hidden.
"""

from __future__ import annotations

import sys

_OPTIONAL = ("sklearn", "pandas")

if "xgboost" in sys.modules or "sklearn" in sys.modules:
    import xgboost
else:
    _hidden = [name for name in _OPTIONAL if name not in sys.modules]
    for _name in _hidden:
        sys.modules[_name] = None  # pyright: ignore[reportArgumentType]  # makes `import` raise ImportError
    try:
        import xgboost
    finally:
        for _name in _hidden:
            del sys.modules[_name]

__all__ = ["xgboost"]
