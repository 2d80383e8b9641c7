"""What the repeats and the second copies of a node's calls may cost: a share of its traffic."""

from __future__ import annotations

from unbreakable.fractal.copies import Copies
from unbreakable.fractal.family import Family
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.targets import Targets
from unbreakable.policies import Budget, Context
from unbreakable.policies.budget import PRICE, price, small
from unbreakable.policies.carried import layers_around
from unbreakable.policies.policy import is_half_over
from unbreakable.runtime import Runtime


def price_of(ctx: Context) -> float | None:
    """Return what a repeat of *ctx* costs; None: it is not to be made.

    Calls that were repeated in vain inside it count as a layer: the error may be its own, but more often it is theirs.
    """
    if ctx.above is None and not (ctx.layers or ctx.over_others):
        return PRICE
    return price(layers_around(ctx) + ctx.over_others)


class Paying:
    """Be a node whose repeats are paid from its own purse, or from its parent's."""

    settings: Settings
    targets: Targets
    family: Family
    drivers: tuple[Runtime, ...]
    copies: Copies

    def _open_purses(self, parent: Paying | None) -> None:
        self.has_own = "budget" in self.settings.pinned
        self.payer: Paying = self if parent is None or self.has_own else parent.payer
        self.copies = Copies(None if parent is None else parent.copies)
        self.earned = 0  #: successes that count for its parent's purse while it has left
        budget = self.targets.main.cold.budget
        self.purse = None if budget is None else Budget(budget, self.drivers[0].now())
        self.purse_for_copies = None if budget is None else Budget(small(budget), self.drivers[0].now())

    def pay_with(self, parent: Paying | None) -> None:
        """Have the repeats be paid by whoever pays those of *parent*, or by this node alone; its children's, too."""
        payer = self if parent is None or self.has_own else parent.payer
        if payer is self.payer:
            return
        if payer is self:
            for purse in filter(None, (self.purse, self.purse_for_copies)):
                purse.seen = self.successes()  # another purse has had the share of these
        self.payer = payer
        for child in list(self.family.children):
            child.pay_with(self)

    def successes(self) -> int:
        """Return how many calls succeeded, of children whose repeats it pays, too: what the budget is a share of."""
        return self.targets.successes() + self.family.successes()

    @property
    def budget(self) -> Budget | None:
        """Return the budget that this node's repeats are paid from, a parent's if it has one; None without a limit."""
        return self.payer.purse

    def pay(self, ctx: Context) -> bool:
        """Take the price of one repeat from the budget; it is ``ctx.prepaid`` until that is made."""
        cost = price_of(ctx)
        paid = self._take(ctx, cost)
        ctx.broke = cost is not None and not paid
        return paid

    def _take(self, ctx: Context, cost: float | None, keep: float = 0.0) -> bool:
        purse = self.payer.purse
        if purse is None:
            ctx.prepaid = PRICE
        elif cost is not None and purse.spend(self.payer.successes(), ctx.runtime.now(), keep=keep, price=cost):
            ctx.prepaid = cost
        return ctx.prepaid > 0

    def why_unpaid(self, ctx: Context) -> str:
        """Return why a repeat could not be paid."""
        if ctx.broke:
            return "the retry budget is spent"
        return f"several calls around this one{' and inside it' * ctx.over_others} are repeating already"

    def bear(self, ctx: Context) -> None:
        """Count a call that reached its target and failed all the same as the traffic that it was."""
        if self.budget is None or not ctx.made:
            return
        self.budget.bear(ctx.runtime.now(), answered=ctx.told_no)
        if ctx.told_no and self.payer.purse_for_copies is not None:
            self.payer.purse_for_copies.bear(ctx.runtime.now(), answered=True)

    def may_pay(self, ctx: Context) -> bool:
        """Return whether the budget has the price of a repeat of *ctx* left."""
        purse = self.payer.purse
        if purse is None:
            return True
        cost = price_of(ctx)
        return cost is not None and purse.level(self.payer.successes(), ctx.runtime.now()) >= cost

    def prepay(self, ctx: Context) -> bool:
        """Take the price of a repeat that may be needed, as long as half of the starting budget is left for others."""
        purse = self.payer.purse
        return self._take(ctx, price_of(ctx), keep=0.0 if purse is None else purse.reserve)

    def give_back(self, ctx: Context) -> None:
        """Take back the price of a repeat that was paid in advance, if it was, and not needed."""
        if ctx.prepaid and self.budget is not None:
            self.budget.give_back(ctx.prepaid)
        ctx.prepaid = 0.0

    def could_hedge(self, ctx: Context) -> bool:
        """Return whether the price of a second copy is there, as ``may_hedge`` takes it."""
        return self._has_for_a_copy(ctx, take=False)

    def has_to_spare(self, ctx: Context) -> bool:
        """Return whether a copy that nobody needs yet can be paid: half of what those may cost who need one is left."""
        purse, copies = self.payer.purse, self.payer.purse_for_copies
        if purse is None or copies is None:
            return True
        now, successes, cost = ctx.runtime.now(), self.payer.successes(), price(layers_around(ctx))
        return (
            cost is not None
            and purse.level(successes, now) >= cost + 1.5 * purse.reserve
            and copies.level(successes, now) >= cost + copies.reserve
        )

    def may_hedge(self, ctx: Context) -> bool:
        """Take the price of a second copy, as long as half of the starting budget is left for repeats.

        Copies are paid from a small purse of their own, too: what was saved up in quiet times must not go out in copies
        when a queue makes every call slow, and each of them makes it longer.  Whose time is half over is not asked for
        that: by then a time limit would have begun another attempt.  None is sent for a while to a target that said
        that it is asked too much, unless the hedge is pinned.
        """
        return self._has_for_a_copy(ctx, take=True)

    def _has_for_a_copy(self, ctx: Context, *, take: bool) -> bool:
        now, purse, copies = ctx.runtime.now(), self.payer.purse, self.payer.purse_for_copies
        if self._spares(ctx, now):
            return False
        if purse is None or copies is None:
            return True
        cost, successes = price(layers_around(ctx) + (ctx.attempt > 1)), self.payer.successes()
        is_last = is_half_over(ctx)
        if cost is None or not (is_last or copies.level(successes, now) >= 1.0):
            return False
        if not take:
            return purse.level(successes, now) >= cost + purse.reserve
        paid = purse.spend(successes, now, keep=purse.reserve, price=cost)
        return paid and (is_last or copies.spend(successes, now))

    def _spares(self, ctx: Context, now: float) -> bool:
        """Return whether the target is sent no copies, as it was asked too much; a race is a matter of its own."""
        target = ctx.target
        free = ctx.race is None and self.settings.leaves("hedge")
        return free and target.peace.spares(target.successes_of_all, now)
