"""The kernel of an environment that cannot have one yet: whatever is run, it says what to install.

`python explaining_kernel.py PYTHON NAME -f CONNECTION_FILE`, in the server's own Python. Once ipykernel is installed,
restarting the kernel starts the environment's own.
"""

# ipykernel is not typed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import sys
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class ExplainingKernel(Kernel):
    implementation = "orrery"
    implementation_version = "1"
    language_info = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}
    python = ""
    environment = ""

    @property
    def explanation(self) -> str:
        return (
            f"The environment {self.environment!r} has no ipykernel, which its kernel needs. "
            f"Install it in a terminal, then restart this kernel:\n\n    {self.python} -m pip install ipykernel\n"
        )

    @property
    def banner(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.explanation

    async def do_execute(self, code: str, silent: bool, *arguments: Any, **options: Any) -> dict[str, Any]:
        error = {"ename": "MissingKernel", "evalue": self.explanation, "traceback": [self.explanation]}
        if code.strip() and not silent:
            self.send_response(self.iopub_socket, "error", error)
            return {"status": "error", "execution_count": self.execution_count, **error}
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    ExplainingKernel.python, ExplainingKernel.environment = sys.argv[1:3]
    IPKernelApp.launch_instance(sys.argv[3:], kernel_class=ExplainingKernel)
