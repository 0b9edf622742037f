"""``cryolattice simulate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cryolattice.cli.options import Clusters, Out, Supercell, parse_clusters, parse_series
from cryolattice.cli.session import AsJson, Server, console, print_json, session
from cryolattice.errors import InvalidInputError

_CRYSTAL, _BEAM, _LENS, _CAMERA = "Crystal", "Multislice", "Lens", "Camera"


class FileFormat(StrEnum):
    """Of images and diffraction patterns."""

    MRC = "mrc"
    TIFF = "tiff"
    ZARR = "zarr"


class Potential(StrEnum):
    """Atomic potentials."""

    LOBATO = "lobato"
    KIRKLAND = "kirkland"


def simulate(
    structure: Annotated[
        Path,
        typer.Argument(
            metavar="STRUCTURE", help="CIF, POSCAR, XYZ, PDB, or another text file that ASE reads."
        ),
    ],
    supercell: Supercell = (1, 1, 1),
    ordering: Annotated[
        str | None,
        typer.Option(
            help="Id from 'enumerate'; without it the crystal as its file gives it.",
            rich_help_panel=_CRYSTAL,
        ),
    ] = None,
    zone_axis: Annotated[
        tuple[int, int, int],
        typer.Option(
            metavar="U V W", help="Beam, in the axes of the file.", rich_help_panel=_CRYSTAL
        ),
    ] = (0, 0, 1),
    cell: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="A B C",
            help="For a file without a cell: edges of a box around the atoms, angstrom.",
            rich_help_panel=_CRYSTAL,
        ),
    ] = None,
    cluster: Clusters = None,
    thickness: Annotated[
        list[str] | None,
        typer.Option(
            metavar="T|START:STOP:STEP",
            help="Angstrom; repeat it. The nearest whole numbers of periods are taken.",
            rich_help_panel=_BEAM,
        ),
    ] = None,
    thickness_max: Annotated[
        float,
        typer.Option(help="Instead: every thickness up to this, angstrom.", rich_help_panel=_BEAM),
    ] = 300.8,
    thickness_step: Annotated[
        float | None,
        typer.Option(help="Angstrom; one period unless given.", rich_help_panel=_BEAM),
    ] = None,
    energy_kev: Annotated[
        float, typer.Option(help="Of the electrons, keV.", rich_help_panel=_BEAM)
    ] = 300.0,
    sampling: Annotated[
        float,
        typer.Option(
            help="Greatest distance of grid points, angstrom; 0.075 unless given.",
            show_default=False,
            rich_help_panel=_BEAM,
        ),
    ] = 0.0,
    slice_thickness: Annotated[
        float,
        typer.Option(
            help="Greatest thickness of a slice, angstrom; 2.4 unless given.",
            show_default=False,
            rich_help_panel=_BEAM,
        ),
    ] = 0.0,
    k_max: Annotated[
        float,
        typer.Option(
            help="Beams up to here, 1/angstrom; 1.0 unless given.",
            show_default=False,
            rich_help_panel=_BEAM,
        ),
    ] = 0.0,
    potential: Annotated[
        Potential, typer.Option(help="Of the atoms.", rich_help_panel=_BEAM)
    ] = Potential.LOBATO,
    debye_waller: Annotated[
        list[str] | None,
        typer.Option(
            metavar="B|EL=B",
            help="B of all elements, or of one, angstrom^2; repeat it for several elements.",
            rich_help_panel=_BEAM,
        ),
    ] = None,
    defocus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="D|START:STOP:STEP",
            help="Angstrom, positive is under focus; repeat it for a series. 0 unless given.",
            rich_help_panel=_LENS,
        ),
    ] = None,
    cs_mm: Annotated[
        float, typer.Option(help="Spherical aberration, mm.", rich_help_panel=_LENS)
    ] = 2.7,
    astigmatism: Annotated[
        float, typer.Option(help="U - V, angstrom.", rich_help_panel=_LENS)
    ] = 0.0,
    astigmatism_angle: Annotated[
        float, typer.Option(help="Azimuth of U, degrees from x to y.", rich_help_panel=_LENS)
    ] = 0.0,
    focal_spread: Annotated[
        float,
        typer.Option(help="Standard deviation of the defocus, angstrom.", rich_help_panel=_LENS),
    ] = 0.0,
    aperture_mrad: Annotated[
        float,
        typer.Option(help="Semi-angle of the aperture, mrad; 0 for none.", rich_help_panel=_LENS),
    ] = 0.0,
    envelope_b: Annotated[
        float,
        typer.Option(
            help="B of an envelope exp(-B k^2 / 4) on the wave, angstrom^2.", rich_help_panel=_LENS
        ),
    ] = 0.0,
    ctf_corrected: Annotated[
        bool,
        typer.Option(
            "--ctf-corrected",
            help="Also images with phases flipped where the lens reverses contrast.",
            rich_help_panel=_LENS,
        ),
    ] = False,
    exit_wave: Annotated[
        bool,
        typer.Option(
            "--exit-wave",
            help="Also amplitude and phase of the exit waves.",
            rich_help_panel=_LENS,
        ),
    ] = False,
    pixel_size: Annotated[
        float,
        typer.Option(
            help="Of an image pixel, angstrom; 1 / (4 k_max) unless given.",
            show_default=False,
            rich_help_panel=_CAMERA,
        ),
    ] = 0.0,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="NX NY",
            help="Pixels of an image; two cells unless given.",
            rich_help_panel=_CAMERA,
        ),
    ] = None,
    mtf: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|square|A,B,C,ALPHA,BETA",
            help="Modulation transfer: two columns, 1/pixel and value, or RELION's STAR; an ideal "
            "square pixel; A/(1+ALPHA f^2) + B/(1+BETA f^2) + C. Perfect unless given.",
            rich_help_panel=_CAMERA,
        ),
    ] = None,
    dose: Annotated[
        float | None,
        typer.Option(
            help="Electrons a square angstrom, for shot noise; without it there is none.",
            rich_help_panel=_CAMERA,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.", rich_help_panel=_CAMERA)] = 0,
    pattern_px: Annotated[
        int,
        typer.Option(
            help="Width of the diffraction patterns, pixels; 512 unless given.",
            show_default=False,
            rich_help_panel=_CAMERA,
        ),
    ] = 0,
    beside_parent: Annotated[
        bool,
        typer.Option(
            "--beside-parent",
            help="Show the crystal with its mean occupancies beside the ordering.",
        ),
    ] = False,
    show: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Thickness of the report's exit wave, pattern and image, angstrom: the nearest of "
            "the series; its middle unless given.",
        ),
    ] = None,
    out: Out = None,
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Also write images and patterns there as such files."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a structure by multislice: images and diffraction patterns over thickness."""
    from cryolattice.workflows.simulate import simulate as run  # noqa: PLC0415
    from cryolattice.workflows.simulate_options import SimulateOptions  # noqa: PLC0415

    options = SimulateOptions(
        supercell=supercell,
        ordering=ordering,
        zone_axis=zone_axis,
        cell_angstrom=cell or (),
        clusters=parse_clusters(cluster),
        thicknesses_angstrom=parse_series(thickness, "thickness"),
        greatest_thickness_angstrom=thickness_max,
        thickness_step_angstrom=thickness_step,
        energy_kev=energy_kev,
        k_max_per_angstrom=k_max,
        sampling_angstrom=sampling,
        slice_thickness_angstrom=slice_thickness,
        parametrization=potential.value,
        debye_waller_b_angstrom2=_debye_waller(debye_waller),
        defocus_angstrom=parse_series(defocus, "defocus") or 0.0,
        astigmatism_angstrom=astigmatism,
        astigmatism_angle_deg=astigmatism_angle,
        cs_mm=cs_mm,
        focal_spread_angstrom=focal_spread,
        aperture_mrad=aperture_mrad,
        envelope_b_angstrom2=envelope_b,
        ctf_corrected=ctf_corrected,
        exit_wave=exit_wave,
        beside_parent=beside_parent,
        shown_thickness_angstrom=show,
        pixel_size_angstrom=pixel_size,
        image_size_px=image_size,
        mtf=mtf,
        dose_e_per_angstrom2=dose,
        seed=seed,
        pattern_px=pattern_px,
    )
    with session(server, quiet=as_json, expects="tiles") as (lab, follow):
        found = run(
            *(lab, structure, options),
            out=out,
            file_format=file_format.value if file_format else None,
            follow=follow,
        ).document
    if as_json:
        print_json(found)
        return
    for warning in found["warnings"]:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    for what, dataset in (("beams", found), ("images", found["images"])):
        size = f"{int(dataset['size_bytes']):,} bytes"
        console.print(f"{what} in {dataset['name']}, {size}", soft_wrap=True)
    if out is not None:
        files = f" and images ({file_format.value})" if file_format else ""
        console.print(f"report{files} in {escape(str(out))}", soft_wrap=True)


def _debye_waller(given: list[str] | None) -> float | dict[str, float]:
    named: dict[str, Any] = {}
    for item in given or ():
        element, equals, value = item.rpartition("=")
        try:
            named[element if equals else ""] = float(value)
        except ValueError:
            raise InvalidInputError(
                f"--debye-waller is {item!r}: write a number in angstrom^2, or EL=B, as Si=0.46",
                field="debye_waller",
            ) from None
    if set(named) == {""}:
        return float(named[""])
    if "" in named:
        raise InvalidInputError(
            "--debye-waller has a number for all elements and one for some: give either",
            field="debye_waller",
        )
    return named or 0.0
