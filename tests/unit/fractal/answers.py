"""Answers that clients raise, and what users make of them."""

from __future__ import annotations


class Answer(Exception):
    """Hold the status of an answer, and its headers."""

    def __init__(self, status, **headers):
        super().__init__(f"HTTP {status}")
        self.status_code, self.headers = status, headers


class Ours(Exception):
    """Stand for what a user's code raises of an answer."""
