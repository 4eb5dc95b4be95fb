"""The ORM session of one transaction, which knows whether it has written."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

_HAS_WRITTEN = "keystead_has_written"


class TransactionSession(Session):
    """The synchronous session within each AsyncSession of ours."""


@event.listens_for(TransactionSession, "after_flush")
def _note_flush(session: Session, _: Any) -> None:
    session.info[_HAS_WRITTEN] = True


@event.listens_for(TransactionSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info[_HAS_WRITTEN] = True


@event.listens_for(TransactionSession, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    # A flush is a transaction within the outermost one.
    if transaction.parent is None:
        session.info.pop(_HAS_WRITTEN, None)


async def release_connection(session: AsyncSession) -> None:
    """Return the connection to the pool before a slow step, such as a password hash.

    Rows read before must be read again, locked, before they are changed. Raises RuntimeError if
    the session has written: the writes would be committed without the rest of the transaction.
    """
    if session.info.get(_HAS_WRITTEN) or session.new or session.dirty or session.deleted:
        raise RuntimeError("the transaction has written: nothing slow may follow before its commit")
    await session.commit()
