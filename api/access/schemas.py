"""People, keys and sessions as HTTP carries them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.access.passwords import LENGTH_MAX
from api.access.scope import Role
from api.records.schemas import Closed, Email, Id, Name

SITES_MAX = 200


class RoleFields(Closed):
    """A role."""

    role: Role
    member: Id | None = Field(default=None, description="The firm of a member; of no other role.")
    sites: Annotated[list[Id], Field(max_length=SITES_MAX)] | None = Field(
        default=None, description="The sites that it is bound to; null for all of them."
    )


Roles = Annotated[list[RoleFields], Field(max_length=20)]


class UserPost(Closed):
    """Somebody to be invited."""

    email: Annotated[Email, Field(min_length=3)]
    name: Name
    roles: Annotated[list[RoleFields], Field(min_length=1, max_length=20)]
    language: Literal["it", "en"] = "it"


class UserPatch(Closed):
    """What is to be otherwise; what is left out stays."""

    name: Name | None = None
    language: Literal["it", "en"] | None = None
    is_active: bool | None = None
    roles: Roles | None = None


class User(BaseModel):
    """Somebody who signs in."""

    id: str
    email: str
    name: str
    language: str
    is_active: bool
    has_password: bool = Field(description="False until an invitation is taken up.")
    has_second_factor: bool
    created: str
    roles: list[RoleFields]


class UserList(BaseModel):
    """People, a page of them."""

    items: list[User]
    next_cursor: str | None


class LinkOut(BaseModel):
    """A link with which somebody chooses a password, once; it is shown here alone."""

    url: str
    expires: str
    is_mailed: bool = Field(default=False, description="A mail server has taken it; it can be handed on as well.")


class Invited(BaseModel):
    """Somebody, and the link to hand on."""

    user: User
    link: LinkOut


class SessionOut(BaseModel):
    """A browser that is signed in."""

    id: str
    created: str
    used: str
    expires: str
    address: str
    browser: str
    is_this: bool


class SessionList(BaseModel):
    """Sessions, all of them."""

    items: list[SessionOut]
    next_cursor: None = None


class Me(BaseModel):
    """Who asks."""

    id: str
    name: str
    role: Role
    member: str | None
    sites: list[str] | None
    by_session: bool
    writes: bool
    csrf_token: str = Field(description="Goes along as X-CSRF-Token with every change of a session.")


class PasswordPost(Closed):
    """Another password."""

    old: Annotated[str, Field(max_length=1_000)]
    new: Annotated[str, Field(max_length=LENGTH_MAX)]


class PasswordAgain(Closed):
    """The present password, once more."""

    password: Annotated[str, Field(max_length=1_000)]


class FactorOut(BaseModel):
    """A second factor to be set up: the app is given the address, and its code is sent back with the ticket."""

    ticket: str
    secret: str = Field(description="In base 32, for an app that cannot read the address.")
    address: str = Field(description="What the app reads: an otpauth URI.")


class FactorCode(Closed):
    """The code that the app shows."""

    ticket: Annotated[str, Field(max_length=1_000)]
    code: Annotated[str, Field(max_length=20)]


class KeyPost(RoleFields):
    """An API key to be made."""

    name: Name
    writes: bool = False
    expires_days: Annotated[int, Field(ge=1, le=3_650)] | None = 365


class KeyOut(RoleFields):
    """An API key, as it is kept."""

    id: str
    name: str
    writes: bool
    created: str
    expires: str | None
    used: str | None = Field(description="When it was used last, to the minute; null when never.")


class KeyMade(BaseModel):
    """A new API key; the token is shown here alone."""

    token: str
    key: KeyOut


class KeyList(BaseModel):
    """API keys, a page of them."""

    items: list[KeyOut]
    next_cursor: str | None


class AuditOut(BaseModel):
    """One entry of the audit trail."""

    number: int
    digest: str
    at: str
    who: str
    what: str
    subject: str
    address: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditList(BaseModel):
    """Entries of the audit trail, the newest first."""

    items: list[AuditOut]
    next_cursor: str | None
