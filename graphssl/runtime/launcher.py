"""How many processes a launcher was asked for, which is not always how many it started."""

from __future__ import annotations

import os

import psutil  # type: ignore[import-untyped]
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser

LAUNCHERS = ("accelerate-launch", "accelerate.commands.launch")
LAUNCH = ["accelerate", "launch"]


def is_main_process() -> bool:
    """Whether this is the process that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def processes_asked() -> int:
    """The number of processes that should take part in this training.

    `accelerate launch` starts a single one where it is to use the CPU, whatever it is asked for, and says nothing; then its
    own command line is read.
    """
    if "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"])
    return asked_by(psutil.Process(os.getppid()).cmdline())


def asked_by(words: list[str]) -> int:
    """What `accelerate launch …` asks for by its options or its config file; 1 for any other command."""
    names = [word.rpartition("/")[2].removesuffix(".exe") for word in words]
    begin = next((i for i, name in enumerate(names) if name in LAUNCHERS or names[i : i + 2] == LAUNCH), None)
    if begin is None:
        return 1
    options, _ = launch_command_parser().parse_known_args(words[begin + (1 if names[begin] in LAUNCHERS else 2) :])
    if options.num_processes is not None:
        return int(options.num_processes)
    if options.config_file is None and (options.cpu or not os.path.isfile(default_config_file)):
        return 1
    return max(1, int(load_config_from_file(options.config_file).num_processes))
