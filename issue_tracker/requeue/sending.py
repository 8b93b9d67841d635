"""One message to the broker, with an end to waiting: what a requeue needs and `apply_async` doesn't give.

Right of the seam. No retry, short socket limits, and no subscription to the result (with a frozen backend that blocks
too). A frozen Redis held `send_task` for over 25 s; this gives up within BROKER_SECONDS for each of connecting and
sending.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from typing import Self

    from celery import Celery
    from kombu import Connection

BROKER_SECONDS: Final = 2.0
"""Limit of each socket operation. Ours: a person waits in the admin."""


_ROUTE: Final[tuple[str, ...]] = ("exchange", "routing_key", "priority")
"""What of a message's options says where it goes."""


class NotSentError(Exception):
    """The broker can't be reached: nothing was sent, it is safe to try again."""


class UnconfirmedError(Exception):
    """The broker took the connection and then fell silent: the message may or may not have arrived."""


class Sender:
    """A connection to the broker for one message or many; opened by the first, closed at the end of a `with` block."""

    def __init__(self, app: Celery) -> None:
        """Name the app; nothing is opened yet."""
        self.app = app
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        """Nothing to do before the first message."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection; one that doesn't answer is dropped."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.release()

    def send(
        self,
        *,
        name: str,
        args: list[Any],
        kwargs: dict[str, Any],
        task_id: str,
        headers: dict[str, str],
        options: dict[str, Any],
    ) -> None:
        """Send one task message as it was sent first: exchange, routing key and priority.

        Raises NotSentError when nothing can have been sent, UnconfirmedError when that is not known.
        """
        connection = self._open()
        try:
            _publish(self.app, connection, name, args, kwargs, task_id, headers, options)
        except _sending_errors(connection) as error:
            raise UnconfirmedError(
                f"the broker {connection.as_uri()} did not answer in time ({type(error).__name__})"
            ) from error

    def _open(self) -> Connection:
        if self._connection is None:
            connection = connect(self.app)
            try:
                connection.connect()
            except _connecting_errors(connection) as error:
                raise NotSentError(
                    f"the broker {connection.as_uri()} can't be reached ({type(error).__name__}); nothing was sent"
                ) from error
            self._connection = connection
        return self._connection


def _connecting_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    return (OSError, OperationalError, *connection.connection_errors)


def _sending_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    return (*_connecting_errors(connection), *connection.channel_errors)


def connect(app: Celery) -> Connection:
    """Return a connection, not yet open, that gives up soon."""
    limits = {
        "socket_timeout": BROKER_SECONDS,
        "socket_connect_timeout": BROKER_SECONDS,
        "retry_on_timeout": False,
        "read_timeout": BROKER_SECONDS,
        "write_timeout": BROKER_SECONDS,
        "max_retries": 0,
    }
    return app.connection_for_write(connect_timeout=BROKER_SECONDS, transport_options=limits)


def _publish(
    app: Celery,
    connection: Connection,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    task_id: str,
    headers: dict[str, str],
    options: dict[str, Any],
) -> None:
    task = app.tasks[name]
    amqp: Any = app.amqp  # its stubs ask for tuples and classes where Celery takes lists and instances
    route = {key: options[key] for key in _ROUTE if key in options}
    if "routing_key" not in route and "exchange" not in route:
        route = amqp.router.route(route, name, args, kwargs, task_type=task)
    route.setdefault("serializer", task.serializer)
    message = amqp.create_task_message(
        task_id,
        name,
        args,
        kwargs,
        retries=0,
        time_limit=task.time_limit,
        soft_time_limit=task.soft_time_limit,
        ignore_result=task.ignore_result,
        argsrepr=None,
        kwargsrepr=None,
    )
    if "exchange" not in route and "queue" not in route:
        # Sent through the default exchange: the routing key is the queue's name. Given `exchange=""` Celery would put
        # None in the place of the routing key, and the message would go nowhere.
        route["queue"] = route.pop("routing_key")
    producer = amqp.Producer(connection, auto_declare=False)
    amqp.send_task_message(producer, name, message, retry=False, headers=headers, **route)
