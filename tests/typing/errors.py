"""Our exceptions as their users catch them: never run, only read by type checkers."""

from __future__ import annotations

import unbreakable as ub


@ub.protect("partner-api")
async def search(city: str) -> list[str]:
    """Search flights."""
    return [city]


async def errors() -> None:
    """Catch what we raise, as narrowly as needed."""
    try:
        await search("CAI")
    except (ub.errors.CircuitOpen, ub.errors.BulkheadFull, ub.errors.BudgetSpent, ub.errors.DeadlineExceeded):
        pass
    except ub.errors.ValidationFailed as error:
        rejected: ub.errors.Rejected = error
        print(rejected)
    except ub.errors.AttemptTimeout as error:
        late: TimeoutError = error
        print(late)
    except ub.errors.ConfigurationError as error:
        wrong: ValueError = error
        print(wrong)
    except ub.errors.StateOwned as error:
        state: ub.errors.StateError = error
        print(state, error.pid)
    except (ub.errors.RunInProgress, ub.errors.NotRecordable, ub.errors.RunNotCommitted, ub.errors.StrayExit):
        pass
    except (ub.errors.VerificationFailed, ub.errors.NotSent, ub.errors.GraphError, ub.errors.UnbreakableError):
        raise
