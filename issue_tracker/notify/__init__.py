"""Notifications: who is told of what, stored with its reason, sent by processes of their own. Right of the seam."""

from __future__ import annotations

from .commands import send_now, send_test
from .noting import note
from .sender import Sender, send_waiting
from .state import State, state

__all__ = ["Sender", "State", "note", "send_now", "send_test", "send_waiting", "state"]
