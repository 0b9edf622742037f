"""The modulation transfer of a camera, as users give it."""

from __future__ import annotations

import re
from pathlib import Path

from cryolattice.errors import UnreadableFileError
from cryolattice_api.simulator.v1 import simulator_pb2

SQUARE_PIXEL = "square"
_LORENTZIANS = 5
_FREQUENCY, _VALUE = "_rlnresolutioninversepixel", "_rlnmtfvalue"


def read_mtf(choice: str | None) -> simulator_pb2.Mtf:
    """Return the modulation transfer of a camera.

    Parameters
    ----------
    choice : str, optional
        ``square`` for an ideal square pixel; ``a,b,c,alpha,beta`` of two Lorentzians and a
        constant; or a file of two columns, the frequency in 1/pixel (Nyquist's is 0.5) and the
        transfer, as plain text or RELION's STAR.

    Raises
    ------
    UnreadableFileError
        It is none of these.
    """
    if not choice:
        return simulator_pb2.Mtf()
    if choice == SQUARE_PIXEL:
        return simulator_pb2.Mtf(square_pixel=True, source="an ideal square pixel")
    parts = choice.split(",")
    if len(parts) == _LORENTZIANS:
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            pass
        else:
            return simulator_pb2.Mtf(
                lorentzians=numbers, source="two Lorentzians (Rullgård et al. 2011)"
            )
    path = Path(choice)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            f"--mtf {choice} is no readable text file: give one with two columns, frequency in "
            f"1/pixel and transfer; or {SQUARE_PIXEL}; or five numbers A,B,C,ALPHA,BETA",
            field="mtf",
        ) from error
    rows = _rows(text)
    if not rows:
        raise UnreadableFileError(
            f"--mtf {path}: no two columns of numbers: the frequency in 1/pixel and the transfer",
            field="mtf",
        )
    return simulator_pb2.Mtf(
        frequency_per_pixel=[row[0] for row in rows],
        value=[row[1] for row in rows],
        source=path.name,
    )


def _rows(text: str) -> list[tuple[float, float]]:
    labels = [line.split()[0].lower() for line in text.splitlines() if line.startswith("_rln")]
    x, y = (
        (labels.index(_FREQUENCY), labels.index(_VALUE))
        if _FREQUENCY in labels and _VALUE in labels
        else (0, 1)
    )
    rows = []
    for line in text.splitlines():
        cells = re.split(r"[\s,;]+", line.strip())
        try:
            rows.append((float(cells[x]), float(cells[y])))
        except (ValueError, IndexError):
            continue  # headings and comments
    return rows
