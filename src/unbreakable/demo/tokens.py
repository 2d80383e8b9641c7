"""Bearer tokens that expire, and that a restart makes worthless."""

from __future__ import annotations

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Issues and checks tokens; only processes with the same secret know each other's."""

    secret: str
    lifetime: float

    def issue(self, now: float) -> str:
        """Return a token that is good until `now + lifetime` (wall-clock seconds)."""
        end = f"{now + self.lifetime:.3f}"
        return f"{end}.{self._sign(end)}"

    def accepts(self, token: str, now: float) -> bool:
        """Say whether the token is one of ours that has not expired."""
        end, _, signature = token.rpartition(".")
        return bool(end) and hmac.compare_digest(signature.encode(), self._sign(end).encode()) and now < float(end)

    def _sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), "sha256").hexdigest()[:32]
