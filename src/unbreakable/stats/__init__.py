"""Small statistics that are updated one by one, merged in any order, asked for a value."""

from unbreakable.stats.arms import Arms
from unbreakable.stats.beta import Beta
from unbreakable.stats.counts import Counts
from unbreakable.stats.decayed import Decayed
from unbreakable.stats.drift import Drift
from unbreakable.stats.lags import Lags
from unbreakable.stats.quantile import Quantile
from unbreakable.stats.stretches import Stretches
from unbreakable.stats.traffic import Traffic
from unbreakable.stats.window import Window

__all__ = ["Arms", "Beta", "Counts", "Decayed", "Drift", "Lags", "Quantile", "Stretches", "Traffic", "Window"]
