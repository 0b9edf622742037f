"""Which of a file's signals is meant: the one that fits, or the one that was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_analyzer.files.signals import Signal
from cryolattice_analyzer.files.units import Quantity

_LISTED = 12
_WRONG_SPACE = {
    Quantity.LENGTH: "is a diffraction pattern; measure it with 'cryolattice dose', or give "
    "--pixel-size in angstrom if the file's unit is wrong",
    Quantity.RECIPROCAL_LENGTH: "is an image in real space, no diffraction pattern; give the "
    "diffraction series, or --pixel-size in 1/angstrom if the file's unit is wrong",
}


def choose_signal(
    signals: Sequence[Signal],
    name: str,
    quantity: Quantity,
    *,
    wanted: str | None,
    unit_overruled: bool,
    field: str,
) -> tuple[Signal, list[str]]:
    """Return the signal to analyse, with length-one axes removed, and remarks.

    Parameters
    ----------
    signals : sequence of Signal
        Those of the file.
    name : str
        The file's name, for messages.
    quantity : Quantity
        What its axes should measure: a length for images, its inverse for diffraction.
    wanted : str or None
        Its title, or its number in the file from 1.
    unit_overruled : bool
        Whether a pixel size was given, so that the file's unit does not count.
    field : str
        The option that named the file, for messages.

    Raises
    ------
    UnreadableFileError
        None of them, or not the wanted one, is a real-valued image or stack of such.
    InvalidInputError
        Several fit, none is called as wanted, or it is of the other space.
    """
    squeezed = [_squeeze(signal) for signal in signals]
    if wanted:
        chosen = squeezed[_position(squeezed, wanted, name)]
        reason = _unfit(chosen, quantity, unit_overruled=unit_overruled)
        if reason:
            raise _refusal(name, reason, field)
        return chosen, []
    reasons = [_unfit(one, quantity, unit_overruled=unit_overruled) for one in squeezed]
    fitting = [one for one, reason in zip(squeezed, reasons, strict=True) if not reason]
    if not fitting:
        said = dict.fromkeys(reason for reason in reasons if reason)
        raise _refusal(name, "; ".join(said), field)
    if len(fitting) > 1:
        raise InvalidInputError(
            f"{name}: holds {len(signals)} signals: {_list(squeezed)}; choose one with --signal "
            "TITLE or NUMBER",
            field="signal",
        )
    if len(signals) == 1:
        return fitting[0], []
    return fitting[0], [
        f"{name}: of its {len(signals)} signals only {fitting[0].describe()} is of use here"
    ]


def _squeeze(signal: Signal) -> Signal:
    """Drop axes of length one, but never those of an image."""
    if signal.is_spectrum or signal.values.ndim <= 2:
        return signal
    kept = [
        index
        for index, size in enumerate(signal.values.shape)
        if size != 1 or index >= signal.values.ndim - 2
    ]
    values = signal.values.reshape([signal.values.shape[index] for index in kept])
    return replace(signal, values=values, axes=tuple(signal.axes[index] for index in kept))


def _unfit(signal: Signal, quantity: Quantity, *, unit_overruled: bool) -> str:
    """Say why a signal cannot be used; empty where it can."""
    kind = signal.values.dtype.kind
    image = "an image" if quantity is Quantity.LENGTH else "a diffraction series"
    if signal.is_spectrum:
        return f"holds {_article(signal.describe())}, no image; give {image}"
    if signal.values.dtype.names:
        return f"is {_article(signal.describe())}; export the recorded counts, not a screenshot"
    if kind == "c":
        return (
            f"holds {_article(signal.describe())}, such as a wave or a Fourier transform; give the "
            "recorded intensity"
        )
    if kind not in "biuf" or signal.values.ndim not in {2, 3} or signal.values.size == 0:
        return f"holds {_article(signal.describe())}, no image or stack; give {image}"
    other = signal.quantity in _WRONG_SPACE and signal.quantity is not quantity
    if other and not unit_overruled:
        axis = signal.axes[-1]
        return f"(pixels of {axis.scale:.6g} {axis.unit}) {_WRONG_SPACE[quantity]}"
    return ""


def _article(text: str) -> str:
    return f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"


def _refusal(name: str, reason: str, field: str) -> InvalidInputError:
    if reason.startswith("("):
        return InvalidInputError(f"{name} {reason}", field=field)
    return UnreadableFileError(f"{name}: {reason}", field=field)


def _position(signals: Sequence[Signal], wanted: str, name: str) -> int:
    titled = [index for index, signal in enumerate(signals) if signal.title == wanted]
    if len(titled) == 1:
        return titled[0]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(signals):
        return int(wanted) - 1
    raise InvalidInputError(
        f"{name}: {'several signals are' if titled else 'no signal is'} called {wanted!r}; there "
        f"{'is' if len(signals) == 1 else 'are'} {_list(signals)}",
        field="signal",
    )


def _list(signals: Sequence[Signal]) -> str:
    shown = [f"{number} {one.describe()}" for number, one in enumerate(signals[:_LISTED], 1)]
    more = len(signals) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])


def require_finite(signal: Signal, name: str, field: str) -> None:
    """Refuse values that are not numbers.

    Raises
    ------
    InvalidInputError
        Some are NaN or infinite: how many, and where the first is.
    """
    values = signal.values
    if values.dtype.kind != "f":
        return
    bad = ~np.isfinite(values)
    number = int(np.count_nonzero(bad))
    if number:
        place = [int(i) for i in np.argwhere(bad)[0]]
        where = ", ".join(
            f"{axis} = {i}"
            for axis, i in zip(("frame", "y", "x")[-len(place) :], place, strict=True)
        )
        raise InvalidInputError(
            f"{name}: {number} of {values.size} pixels are NaN or infinite (the first at {where}); "
            "mask or interpolate them before the analysis",
            field=field,
        )
