"""Pictures of what a network sees: one function per command."""

from __future__ import annotations

import argparse
from dataclasses import replace

from graphssl.cli.saving import saving
from graphssl.evaluate.encoder import RunEncoder, load_encoder
from graphssl.pictures.photos import read_photos
from graphssl.pictures.projection import Projection
from graphssl.pictures.sheet import Sheet, refuse_format


def pca(arguments: argparse.Namespace) -> int:
    from graphssl.pictures.pca import pca_sheet

    refuse_format(arguments.out)
    photos = read_photos(arguments.images)
    sheet = pca_sheet(
        _encoder(arguments),
        photos,
        size=arguments.size,
        foreground=not arguments.no_foreground,
        invert=arguments.invert,
    )
    return _save(sheet, arguments)


def attention(arguments: argparse.Namespace) -> int:
    from graphssl.pictures.attention import attention_sheet

    refuse_format(arguments.out)
    photos = read_photos(arguments.images)
    return _save(attention_sheet(_encoder(arguments), photos, size=arguments.size), arguments)


def neighbours(arguments: argparse.Namespace) -> int:
    from graphssl.pictures.features import both_sets, features_of, spread
    from graphssl.pictures.neighbours import neighbours_sheet

    refuse_format(arguments.out)
    encoder = _encoder(arguments)
    test, train, rest = both_sets(arguments.data, arguments.queries)
    queries = features_of(encoder, test, spread(test, arguments.queries))
    return _save(neighbours_sheet(encoder, queries, features_of(encoder, train, rest), k=arguments.k), arguments)


def project(arguments: argparse.Namespace) -> int:
    from graphssl.pictures import projection
    from graphssl.pictures.features import both_sets, features_of, spread

    projection.refuse_format(arguments.out)
    encoder = _encoder(arguments)
    test, _, _ = both_sets(arguments.data, 0)
    features = features_of(encoder, test, spread(test, arguments.images, seed=arguments.seed))
    return _save(projection.project(encoder, features, by=arguments.by, seed=arguments.seed), arguments)


def _encoder(arguments: argparse.Namespace) -> RunEncoder:
    encoder = load_encoder(arguments.run_folder, random=arguments.random, plugins=arguments.plugin)
    return encoder.to(arguments.device or "cpu")


def _save(sheet: Sheet | Projection, arguments: argparse.Namespace) -> int:
    if arguments.random:
        sheet = replace(sheet, title=f"{sheet.title}, before training")
    with saving(arguments.out):
        sheet.save(arguments.out)
    return 0
