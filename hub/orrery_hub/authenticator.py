"""Accounts with a password: NativeAuthenticator with our sign-up page, and its gaps closed.

bcrypt takes 72 bytes of a password at most and fails on more, so longer ones are refused in words. The names that the
platform uses for itself cannot be taken.
"""

# JupyterHub is not typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import re
from typing import Any, Final

from jupyterhub.user import User
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.handlers import LoginHandler as NativeLoginHandler
from nativeauthenticator.handlers import SignUpHandler as NativeSignUpHandler
from tornado import web
from traitlets import default

from orrery_hub import profiles

#: they own what ships with the platform, or would be taken for it
RESERVED_NAMES: Final = frozenset({"orrery", "hub", "root", "system", "services", "service", "shared", "public"})
USERNAME: Final = r"[a-z0-9][a-z0-9._@-]{0,63}"
EMAIL: Final = r"[A-Za-z0-9.+_-]+@[A-Za-z0-9._-]+\.[a-zA-Z]+"
PASSWORD_BYTES: Final = 72
MINIMUM_PASSWORD_LENGTH: Final = 6


class OrreryAuthenticator(NativeAuthenticator):
    """Usage: `c.JupyterHub.authenticator_class = "orrery_hub.authenticator.OrreryAuthenticator"`."""

    @default("minimum_password_length")
    def _default_minimum_password_length(self) -> int:
        return MINIMUM_PASSWORD_LENGTH

    def add_new_table(self) -> None:
        super().add_new_table()
        profiles.ensure_table(self.db)

    def validate_username(self, username: str) -> bool:
        is_fit = re.fullmatch(USERNAME, username) is not None and username not in RESERVED_NAMES
        return is_fit and bool(super().validate_username(username))

    def is_password_strong(self, password: str) -> bool:
        return len(password.encode()) <= PASSWORD_BYTES and bool(super().is_password_strong(password))

    def full_name(self, username: str) -> str:
        return profiles.full_name(self.db, username)

    def delete_user(self, user: User) -> None:
        profiles.remove(self.db, user.name)
        super().delete_user(user)

    def get_handlers(self, app: Any) -> list[Any]:
        handlers: list[Any] = super().get_handlers(app)
        ours: dict[Any, Any] = {NativeSignUpHandler: SignUpHandler, NativeLoginHandler: LoginHandler}
        return [(path, ours.get(handler, handler), *rest) for path, handler, *rest in handlers]

    def check_sign_up(self, form: SignUpForm) -> dict[str, str]:
        """What is wrong, by field; each says what was given (never a password) and what to do."""
        wrong: dict[str, str] = {}
        name = self.normalize_username(form.username)
        if name in RESERVED_NAMES:
            wrong["username"] = f"“{form.username}” is reserved; choose another username."
        elif not self.validate_username(name):
            wrong["username"] = (
                f"“{form.username}” cannot be used: begin with a letter or digit, go on with letters, digits, . _ @ or "
                "-, 64 characters at most."
            )
        elif self.user_exists(name):
            wrong["username"] = f"“{name}” is in use; choose another username."
        if len(form.email) > 128 or not re.fullmatch(EMAIL, form.email):
            wrong["email"] = f"“{form.email}” is no e-mail address; it looks like ann@example.org."
        if len(form.full_name) > profiles.FULL_NAME_LENGTH:
            wrong["full_name"] = f"At most {profiles.FULL_NAME_LENGTH} characters; this has {len(form.full_name)}."
        if len(form.password) < self.minimum_password_length:
            wrong["password"] = (
                f"The password has {len(form.password)} characters; use at least {self.minimum_password_length}."
            )
        elif len(form.password.encode()) > PASSWORD_BYTES:
            wrong["password"] = f"The password is longer than {PASSWORD_BYTES} bytes; use a shorter one."
        elif self.check_common_password and self.is_password_common(form.password):
            wrong["password"] = "The password is a very common one; choose another."
        elif form.password != form.confirmation:
            wrong["confirmation"] = "The two passwords differ; type the same one twice."
        return wrong


class LoginHandler(NativeLoginHandler):
    """`/hub/login`."""

    async def post(self) -> None:
        if len(self.get_argument("password", "", strip=False).encode()) > PASSWORD_BYTES:
            # No account has it, and bcrypt would fail on it.
            username = self.get_argument("username", "")
            self.finish(await self._render(login_error="Invalid username or password.", username=username))
            return
        await super().post()


class SignUpForm:
    """What was typed, as the page's fields are named."""

    def __init__(self, handler: Any) -> None:
        self.username: str = handler.get_body_argument("username", "")
        self.email: str = handler.get_body_argument("email", "")
        self.full_name: str = " ".join(handler.get_body_argument("full_name", "").split())
        self.password: str = handler.get_body_argument("signup_password", "", strip=False)
        self.confirmation: str = handler.get_body_argument("signup_password_confirmation", "", strip=False)


class SignUpHandler(NativeSignUpHandler):
    """`/hub/signup`: a mistake is shown beside its field and nothing typed is lost, save the passwords."""

    @property
    def accounts(self) -> OrreryAuthenticator:
        return self.authenticator  # pyright: ignore

    async def show(self, form: SignUpForm | None = None, wrong: dict[str, str] | None = None, notice: str = "") -> None:
        page = await self.render_template(
            "signup.html",
            form=form,
            wrong=wrong or {},
            notice=notice,
            minimum=self.accounts.minimum_password_length,
        )
        self.finish(page)

    async def get(self) -> None:
        self.check_open()
        await self.show()

    def check_open(self) -> None:
        if not self.accounts.enable_signup:
            raise web.HTTPError(404, "Sign-up is closed on this hub; ask its administrator for an account")

    async def post(self) -> None:
        self.check_open()
        form = SignUpForm(self)
        wrong = self.accounts.check_sign_up(form)
        if wrong:
            self.set_status(400)
            await self.show(form, wrong)
            return
        account = self.accounts.create_user(form.username, form.password, email=form.email)
        if account is None:
            self.set_status(400)
            await self.show(form, {"username": "This account could not be made; try another username."})
            return
        profiles.save(self.accounts.db, str(account.username), form.full_name)
        self.log.info("%s signed up", account.username)
        user = await self.login_user({"username": form.username, "password": form.password})
        if user is None:
            await self.show(notice="Your account waits for an administrator to allow it.")
            return
        self.redirect(self.get_next_url(user))  # pyright: ignore[reportUnknownArgumentType, reportArgumentType]
