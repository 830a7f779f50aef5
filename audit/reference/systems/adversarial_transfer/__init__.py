"""A network and those that an attacker may have in its place, with and without a public start that both share."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="adversarial-transfer",
        title="lesion on a T2 patch, built on public weights that an attacker has, too",
        task="binary",
        slides="114-115",
        package="adversarial_transfer",
        differs="it was built on the public weights from which the attacker's networks started, and keeps some of them",
        curves="attack, size, start, architecture and data of target and surrogate, over 5 seeds",
    ),
    System(
        name="adversarial-apart",
        title="the same, started from random weights of its own",
        task="binary",
        slides="114-115",
        package="adversarial_transfer",
    ),
)
