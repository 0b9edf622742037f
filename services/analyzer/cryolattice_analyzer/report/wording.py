"""Numbers in words that a person reads at a glance."""

from __future__ import annotations

from collections.abc import Sequence

_FRACTIONS = {0.25: "¼", 0.5: "½", 0.75: "¾"}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NUMERALS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip


def coordinate(value: float) -> str:
    """Write a coordinate: ``0``, ``½``, ``1¼``, ``0.333``."""
    whole = int(value // 1)
    for part, text in _FRACTIONS.items():
        if abs(value - whole - part) < 1e-3:
            return f"{whole or ''}{text}"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def site(position: Sequence[float]) -> str:
    """Write one position: ``(0 ½ ½)``."""
    return "(" + " ".join(coordinate(x) for x in position) + ")"


def sites_text(positions: Sequence[Sequence[float]], most: int = 8) -> str:
    """Write positions, so many at most."""
    more = f" and {len(positions) - most} more" if len(positions) > most else ""
    return " ".join(site(position) for position in positions[:most]) + more


def formula(ion: str) -> str:
    """Write a formula with its subscripts: ``NH₂``."""
    return ion.translate(_SUBSCRIPTS)


def number(count: int) -> str:
    """Write a small number as a word."""
    return _NUMERALS[count] if 0 <= count < len(_NUMERALS) else str(count)


def percent(probability: float) -> str:
    """Write a probability without claiming 0 or 100 %."""
    if probability > 0.999:
        return "> 99.9 %"
    if probability >= 0.0995:
        return f"{100 * probability:.1f} %"
    if probability >= 0.001:
        return f"{100 * probability:.2g} %"
    return "< 0.1 %"


def certainty(probability: float) -> str:
    """Say a probability."""
    for least, words in (
        (0.999, "practically certain"),
        (0.95, "very likely"),
        (0.75, "likely, not certain"),
        (0.5, "more likely than not"),
        (0.05, "one of several"),
    ):
        if probability >= least:
            return words
    return "unlikely"


def listed(words: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 site``, ``4 sites``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def integer(value: float) -> str:
    """Write a large count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def sentence(text: str) -> str:
    """Begin with a capital, end with a stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
