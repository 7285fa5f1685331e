"""The report of a run: one HTML file that needs nothing else and runs no script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphssl.report.chart import Chart, panel, short
from graphssl.report.curves import SCHEDULED, curve_charts, measure_charts, schedule_charts
from graphssl.report.run import Run
from graphssl.runtime.diagnosis import explanations
from graphssl.views.describe import words
from graphssl.views.escape import xml
from graphssl.views.page.parts import filled, part, policy, reading_style
from graphssl.views.scene import Scene, scene
from graphssl.views.svg import svg

TITLE = 50
"""Pixels of a drawing that its title takes."""

Section = tuple[str, str, str]
"""Title, one sentence about it or nothing, and what it shows."""


def report(run: Run, pictures: Sequence[str] = (), pictures_note: str = "", script: str = "") -> str:
    """The page of a run. pictures: elements, those of `graphssl.pictures.page.figure`; script: what they need."""
    sections = [section(*told) for told in _sections(run, pictures, pictures_note) if told[2]]
    body = [_header(run), "<main>", _told(run), *sections, "</main>"]
    return document(run.graph.title or run.name, "\n".join(body), script)


def document(title: str, body: str, script: str = "", style: str = "") -> str:
    """A page that is read from top to bottom, with the rules of reports and sheets, and more of its own."""
    sheets = part("graphssl.pictures", "sheet.css")
    parts = {
        "policy": policy(script),
        "title": xml(title),
        "style": f"{reading_style(__package__, 'report.css')}\n{sheets}\n{style}",
        "body": f"{body}\n<script>{script}</script>" if script else body,
    }
    return filled(part("graphssl.views.page", "plain.html"), parts)


def panels(charts: Sequence[Chart]) -> str:
    return f'<div class="panels">{"".join(map(panel, charts))}</div>' if charts else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells that are HTML already, below their heads; the first cell of a row names it."""
    head = "".join(f'<th scope="col">{xml(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{c}</td>" for c in rest)}</tr>' for first, *rest in rows
    )
    heading = f"<thead><tr>{head}</tr></thead>" if heads else ""
    return f'<div class="wide"><table>{heading}<tbody>{body}</tbody></table></div>' if rows else ""


def _sections(run: Run, pictures: Sequence[str], note: str) -> Iterator[Section]:
    yield "Method", run.graph.spec.paper, drawing(scene(run.graph))
    yield (
        "Evaluations",
        "Results of graphssl eval on frozen or fine-tuned weights, as the run folder keeps them.",
        _evaluations(run),
    )
    yield "Curves", "Bold: moving average over a fortieth of the run.", panels(curve_charts([run], without=SCHEDULED))
    yield "Pictures", note, "".join(pictures)
    yield "Recipe", "", _recipe(run)
    yield "Monitors", "What was measured of each node during training.", _symptoms(run) + panels(measure_charts(run))
    yield "Provenance", "", _provenance(run)


def section(title: str, note: str, body: str, place: str = "") -> str:
    """A card of the page: its title, a sentence about it or nothing, and what it shows. place: its anchor; default: by the title."""
    said = f'<p class="soft">{xml(note)}</p>' if note else ""
    place = xml(place or title.lower())
    head = f'<h2 id="{place}-title">{xml(title)}</h2>'
    return f'<section id="{place}" class="card" aria-labelledby="{place}-title">{head}{said}{body}</section>'


def _header(run: Run) -> str:
    seen = [(name, value) for name, value in _now(run) if value]
    now = "".join(f"<div><dt>{name}</dt><dd>{xml(value)}</dd></div>" for name, value in seen)
    state = "finished" if run.finished else "not finished"
    return (
        f'<header><div class="names"><h1>{xml(run.graph.title or run.graph.name)}</h1><p class="soft">{xml(str(run.path))}</p></div>'
        f'<dl>{now}</dl><p id="status" data-state="{state}">{state}</p></header>'
    )


def _now(run: Run) -> Iterator[tuple[str, str]]:
    epochs = run.last_step / run.steps_per_epoch
    yield "method", run.graph.name
    yield "data", run.told("data")
    yield "steps", f"{run.last_step:,}"
    yield "epochs", f"{epochs:.3g}" if any("epoch" in record for record in run.records) else ""
    loss, knn = run.last("loss"), run.last("knn")
    yield "loss", "" if loss is None else short(loss)
    yield "kNN", "" if knn is None else f"{knn:.1%}"
    yield "images/s", typical(run.curves.get("images_per_s", ([], []))[1])


def typical(values: Sequence[float]) -> str:
    """The median."""
    return f"{sorted(values)[len(values) // 2]:.0f}" if values else ""


def drawing(scene: Scene) -> str:
    """A drawing without its title, which the page has."""
    drawn = re.sub(r'height="(\d+)" viewBox="0 0 (\d+) \d+"', _below_title, svg(scene), count=1)
    return f'<div id="graph">{drawn}</div>'


def _below_title(size: re.Match[str]) -> str:
    height = int(size[1]) - TITLE
    return f'height="{height}" viewBox="0 {TITLE} {size[2]} {height}"'


def _told(run: Run) -> str:
    """What the run was told is wrong, on top of everything."""
    items = "".join(
        f"<li><b>{xml(found.get('code', ''))}</b> at step {found['step']}: {xml(found.get('message', ''))}"
        f'<p class="soft">{xml(found.get("help", ""))}</p></li>'
        for found in run.diagnosis
    )
    return f'<ol id="diagnosis" class="card" aria-label="diagnosis">{items}</ol>' if items else ""


def _symptoms(run: Run) -> str:
    """Each symptom that is looked for, and when it was seen."""
    if not run.measures.steps:
        return ""
    seen: dict[str, str] = {}
    for found in run.diagnosis:
        seen.setdefault(found.get("code", ""), f"seen at step {found['step']}")
    rows = [
        (
            xml(code),
            f'<span class="{"bad" if code in seen else "good"}">{seen.get(code, "not seen")}</span>',
            xml(explanation.what),
        )
        for code, explanation in explanations().items()
    ]
    return table(("symptom", "", "what it is"), rows)


def _recipe(run: Run) -> str:
    train = run.graph.train
    if train is None:
        return ""
    scaled = f" = {train.lr_base:g} × {train.lr_factor():g} for batch {train.batch_size}" if train.lr_per else ""
    facts = {
        "optimizer": " ".join([train.optimizer, words(dict(train.optimizer_args)) if train.optimizer_args else ""]),
        "peak learning rate": f"{train.peak_lr():.4g}{scaled}",
        "learning rate": words(train.lr),
        "weight decay": words(train.weight_decay),
        "batch size": words(train.batch_size),
        "epochs": words(train.epochs),
        "precision": train.precision,
        "gradient clipping": f"norm {train.clip_norm:g}, {train.clip_scope}" if train.clip_norm else "",
        "layer decay": words(train.layer_decay) if train.layer_decay else "",
        "micro-batch": words(train.micro_batch) if train.micro_batch else "",
        "accumulated steps": words(train.accumulate) if train.accumulate > 1 else "",
        "images": f"{train.images:.4g} of each class" if train.images < 1 else "",
        "groups": "; ".join(group.name for group in train.groups),
        "seed": words(train.seed),
    }
    rows = [(xml(key), xml(value)) for key, value in facts.items() if value]
    charts = schedule_charts(run.graph, max(run.total_steps, 2), run.steps_per_epoch)
    return f'<div class="beside">{table((), rows)}{panels(charts)}</div>'


def _evaluations(run: Run) -> str:
    rows = []
    for name, result in run.evaluations.items():
        settings = {k: v for k, v in result.items() if k not in ("step", "data")}
        rest = xml(words(settings)) if settings else ""
        rows.append(
            (
                xml(name),
                f"<b>{xml(score_words(result))}</b>",
                xml(str(result.get("data", ""))),
                xml(str(result.get("step", ""))),
                f"<details><summary>all of it</summary>{rest}</details>",
            )
        )
    return table(("protocol", "result", "data", "step", "settings"), rows)


def score_words(result: Mapping[str, Any]) -> str:
    """The number that a protocol is run for, which stands first in its result, with its name."""
    for key, value in result.items():
        if key in ("step", "data"):
            continue
        if isinstance(value, dict):
            found = score_words(value)
            return f"{key} {found}" if found else ""
        if isinstance(value, float) and 0 <= value <= 1:
            return f"{key} {value:.2%}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return f"{key} {short(float(value))}"
    return ""


def _provenance(run: Run) -> str:
    rows = [
        ("run folder", xml(str(run.path))),
        ("data", xml(run.told("data"))),
        ("device", xml(run.told("device"))),
        ("processes", xml(run.told("processes"))),
        ("graphssl", xml(run.told("graphssl"))),
        ("torch", xml(run.told("torch"))),
        ("fingerprint of the graph", f"<code>{xml(run.method.fingerprint)}</code>"),
        ("command", f"<code>{xml(command(run))}</code>"),
        ("the same from the run's own file", f"<code>{xml(repeated(run))}</code>"),
    ]
    return table((), [(name, value) for name, value in rows if value and value != "<code></code>"])


def command(run: Run) -> str:
    """The command that the run was started with, without the place of the program; nothing while it goes on."""
    _, _, rest = run.told("command").partition(" ")
    return f"{_launcher(run)} {rest}" if rest else ""


def repeated(run: Run) -> str:
    """A command that trains the same again from the run's method.yaml, which needs no other file."""
    data, file = run.told("data") or "DATA", str(run.path / "method.yaml")
    steps = f" --steps {run.last_step}" if run.finished else ""
    return f"{_launcher(run)} train {shlex.quote(file)} --data {shlex.quote(data)} --out {shlex.quote(f'{run.path}-again')}{steps}"


def _launcher(run: Run) -> str:
    processes = run.summary.get("processes")
    many = isinstance(processes, int) and processes > 1
    return f"accelerate launch --num_processes {processes} -m graphssl" if many else "graphssl"
