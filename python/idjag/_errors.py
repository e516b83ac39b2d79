"""What is raised. Plain classes: they are raised inside any `with` and copied across threads."""

from __future__ import annotations

__all__ = ["ConfigError", "ExchangeDenied", "IdjagError", "Unavailable"]


class IdjagError(Exception):
    """Everything that this package raises of its own."""


class ConfigError(IdjagError):
    """A configuration, policy, directory or key set could not be used; what was there before still holds.

    Attributes:
        file: The file or document at fault, where one is known.
        line: The line in it, counted from 1.
        key: The dotted path of the faulty member.
    """

    def __init__(
        self, message: str, file: str | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.key = key


class _Refusal(IdjagError):
    def __init__(self, error: str, error_description: str, slug: str) -> None:
        # Without the slug: the text of an exception finds its way to clients.
        super().__init__(f"{error}: {error_description}")
        self.error = error
        self.error_description = error_description
        self.slug = slug

    def __repr__(self) -> str:
        return f"{type(self).__name__}(error={self.error!r}, slug={self.slug!r})"


class ExchangeDenied(_Refusal):
    """The answer is no.

    Attributes:
        error: The OAuth error code, for the client.
        error_description: One sentence for it, for the client.
        slug: Which check said no, for the log and never for the client.
    """

    def __reduce__(self) -> tuple[type[ExchangeDenied], tuple[str, str, str]]:
        return type(self), (self.error, self.error_description, self.slug)


class Unavailable(_Refusal):
    """There is no answer now: keys, single-use store or record cannot be reached. Not a no.

    Attributes:
        error: The OAuth error code, for the client.
        error_description: One sentence for it, for the client.
        slug: What is missing, for the log and never for the client.
        retry_after: After how many seconds it is worth trying again.
    """

    def __init__(self, error: str, error_description: str, slug: str, retry_after: int) -> None:
        super().__init__(error, error_description, slug)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[Unavailable], tuple[str, str, str, int]]:
        return type(self), (self.error, self.error_description, self.slug, self.retry_after)
