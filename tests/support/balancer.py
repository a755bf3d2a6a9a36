"""The HTTP front end of a Cloud Run service, before real workers.

It does what Google does around instances: IAM verifies ID tokens and removes their signatures, each instance gets one
request at a time, and requests without a free instance get status 429.
"""

import asyncio
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from google.auth import exceptions, jwt

from support.google_identity import ACCOUNT, Google
from support.http_worker import Served


class CloudRunFront:
    """The service at ``url``. ``asked`` counts the requests that reached an instance.

    Failures: ``statuses`` are the responses to the next requests; only ``invokers`` may call the service.
    """

    def __init__(self, workers: Sequence[Served], google: Google) -> None:
        self.workers = list(workers)
        self.url = ""
        self._busy: set[str] = set()
        self._google = google
        self.forget()

    def forget(self) -> None:
        """Resets all counters and failures, and drops workers that have exited."""
        self.workers[:] = [worker for worker in self.workers if worker.process.poll() is None]
        self.statuses: list[int] = []
        self.invokers = {ACCOUNT}
        self.asked = 0
        self.most = 0

    def busy(self) -> list[Served]:
        return [worker for worker in self.workers if worker.url in self._busy]

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("X-Serverless-Authorization") or request.headers.get("Authorization", "")
        try:
            certificates = {self._google.key_id: self._google.certificate}
            claims = jwt.decode(token.removeprefix("Bearer "), certs=certificates, audience=self.url)
        except (ValueError, exceptions.GoogleAuthError):
            return web.Response(status=401, text="Unauthorized")
        if claims["email"] not in self.invokers:
            return web.Response(status=403, text="Your client does not have permission to get URL /jobs")
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), text="refused by Google")
        free = [one for one in self.workers if one.url not in self._busy and one.process.poll() is None]
        if not free:
            return web.Response(status=429, text="Rate exceeded.")
        self.asked += 1
        self._busy.add(free[0].url)
        self.most = max(self.most, len(self._busy))
        try:
            return await self._pass_on(request, free[0])
        finally:
            self._busy.discard(free[0].url)

    async def _pass_on(self, request: web.Request, worker: Served) -> web.StreamResponse:
        headers = {
            "Content-Type": request.headers["Content-Type"],
            "Authorization": request.headers["Authorization"],
            "X-Serverless-Authorization": "Bearer x.y.SIGNATURE_REMOVED_BY_GOOGLE",
        }
        body = await request.read()
        answer = None
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=None)) as session,
                session.post(f"{worker.url}/jobs", data=body, headers=headers) as found,
            ):
                answer = web.StreamResponse(status=found.status, headers={"Content-Type": found.content_type})
                await answer.prepare(request)
                async for piece in found.content.iter_any():
                    await answer.write(piece)
                await answer.write_eof()
                return answer
        except ClientError:
            if answer is None:
                return web.Response(status=503, text="no connection to the instance")
            assert request.transport
            request.transport.abort()
            return answer


@contextmanager
def cloud_run(workers: Sequence[Served], google: Google) -> Generator[CloudRunFront]:
    front = CloudRunFront(workers, google)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cloud-run")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(_serve(front), loop).result(20)
        try:
            yield front
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(front: CloudRunFront) -> web.AppRunner:
    app = web.Application(client_max_size=2**30)
    app.router.add_post("/jobs", front.jobs)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner
