"""Scripted ways to play: what the baselines do."""

from chalicelib.games.chance import Chance
from chalicelib.games.minesweeper.boards import Cell, neighbourhoods
from chalicelib.games.minesweeper.memory import posterior_of
from chalicelib.games.minesweeper.rules import Observation, Reveal


def play_safest(observation: Observation, chance: Chance) -> Reveal:
    """Every provably safe cell; without one, a cell of least risk.

    Among cells of equal risk the one with the fewest hidden neighbours, which is
    likeliest to open a zero or to settle its surroundings; then by chance.
    """
    posterior = posterior_of(observation.rows, observation.mines)
    if posterior.safe:
        return Reveal(tuple(posterior.safe))
    around = neighbourhoods(len(observation.rows), len(observation.rows[0]))

    def hidden_neighbours(cell: Cell) -> int:
        return sum(observation.is_hidden(other) for other in around[cell])

    fewest = min(map(hidden_neighbours, posterior.least_risk_cells))
    tied = [
        cell for cell in posterior.least_risk_cells if hidden_neighbours(cell) == fewest
    ]
    return Reveal((chance.choice(tied),))
