"""The work: messages published once, kept aside in the broker, and copied into the workers' queue in one step.

So every contender gets the same bytes, no publishing happens while a worker is measured, and the clock starts with the
first message. With `acks_late` a message leaves `unacked` when its task has ended: that tells when all is done, at no
cost to the worker.
"""

from __future__ import annotations

import time

import redis
from celery import Celery

QUEUE = "celery"
POLL_SECONDS = 0.01
MAX_SECONDS_A_TASK = 0.2


class StuckError(RuntimeError):
    """The worker did not finish its tasks in time."""


class Load:
    """The queue of the broker, and the loads kept beside it."""

    def __init__(self, address: str) -> None:
        """Connect to the broker."""
        self._redis: redis.Redis = redis.Redis.from_url(address)
        self._producer = Celery(broker=address, set_as_current=False)

    def keep(self, name: str, task: str, *, task_count: int, offset: int = 0) -> None:
        """Publish that many messages and put them aside under a name."""
        self._redis.delete(QUEUE, name)
        with self._producer.connection_for_write() as connection, self._producer.amqp.Producer(connection) as producer:
            for number in range(offset, offset + task_count):
                url = f"https://www.colombia.com/cine/theater/{number}"
                self._producer.send_task(task, args=(number,), kwargs={"url": url}, producer=producer)
        self._redis.rename(QUEUE, name)

    def send(self, task: str, *args: str) -> None:
        """Publish one message."""
        self._producer.send_task(task, args=args)

    def release(self, name: str) -> int:
        """Copy a kept load into the queue, all at once; returns the number of messages."""
        self._redis.copy(name, QUEUE)
        return int(self._redis.llen(name))

    def forget(self) -> None:
        """Empty the queue and what a killed worker may have left unacknowledged."""
        self._redis.delete(QUEUE, "unacked", "unacked_index")

    def remaining(self) -> int:
        """Return how many messages wait or run."""
        with self._redis.pipeline() as pipe:
            pipe.llen(QUEUE)
            pipe.hlen("unacked")
            return sum(pipe.execute())

    def wait(self, task_count: int) -> None:
        """Wait until every task has ended. Raises StuckError."""
        deadline = time.monotonic() + 30 + task_count * MAX_SECONDS_A_TASK
        while self.remaining():
            if time.monotonic() > deadline:
                raise StuckError(f"{self.remaining()} of {task_count} tasks have not ended in time.")
            time.sleep(POLL_SECONDS)
