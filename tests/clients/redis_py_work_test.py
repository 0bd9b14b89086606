#!/usr/bin/python3
"""What applications do with redis-py (Debian's), direct and through weir: both see the same."""
import asyncio
import os
import threading
import time
import unittest

import redis
import redis.asyncio

DIRECT, WEIR = int(os.environ["REDIS_PORT"]), int(os.environ["WEIR_PORT"])
PATIENCE_S = 20


def eventually(look):
    """What `look` returns once that is true; an error if it never is."""
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.005)
    return found


def in_thread(work):
    """Starts `work`; the function returned waits for what it returns."""
    box = []
    thread = threading.Thread(target=lambda: box.append(work()), daemon=True)
    thread.start()

    def result():
        thread.join(PATIENCE_S)
        return box[0]

    return result


def error_of(work):
    try:
        work()
    except redis.RedisError as error:
        return type(error).__name__, str(error)
    return "no error"


def messages(subscriber, count):
    got = []
    end = time.monotonic() + PATIENCE_S
    while len(got) < count and time.monotonic() < end:
        message = subscriber.get_message(timeout=1)
        if message:
            got.append((message["type"], message["pattern"], message["channel"], message["data"]))
    return got


class RedisPyWorkTest(unittest.TestCase):
    maxDiff = None

    def twice(self, work):
        seen = []
        for port in DIRECT, WEIR:
            with redis.Redis(port=port, decode_responses=True) as client:
                client.flushall()
                client.script_flush()
                seen.append(work(client, port))
        self.assertEqual(seen[0], seen[1])

    def test_transactions(self):
        def work(client, port):
            with client.pipeline() as pipe:
                seen = [pipe.set("t", 1).incr("t").hset("h", "f", "v").hgetall("h").execute()]
                pipe.set("t", "text").incr("t").get("t")
                seen.append([str(each) for each in pipe.execute(raise_on_error=False)])
                pipe.execute_command("SET", "only").get("t")
                seen.append(error_of(pipe.execute))
                for i in range(5000):
                    pipe.rpush("l", i)
                seen.append(pipe.execute())
            counters = [redis.Redis(port=port) for _ in range(4)]

            def increment(pipe):
                value = int(pipe.get("n") or 0)
                pipe.multi()
                pipe.set("n", value + 1)

            def count(each):
                for _ in range(25):
                    each.transaction(increment, "n")

            crowd = [in_thread(lambda each=each: count(each)) for each in counters]
            for each in crowd:
                each()
            for each in counters:
                each.close()
            return seen, client.get("n")

        self.twice(work)

    def test_blocking(self):
        def work(client, port):
            with redis.Redis(port=port, decode_responses=True) as other:
                seen = []

                def one_waits(wait, then):
                    result = in_thread(wait)
                    eventually(lambda: any("b" in each["flags"] for each in other.client_list()))
                    then()
                    seen.append(result())

                one_waits(lambda: client.blpop(["q1", "q2"], 0),
                          lambda: other.rpush("q2", "a", "b"))
                one_waits(lambda: client.brpoplpush("q1", "q3", 0), lambda: other.rpush("q1", "m"))
                one_waits(lambda: client.bzpopmax(["z"], 0),
                          lambda: other.zadd("z", {"one": 1, "two": 2}))
                one_waits(lambda: client.xread({"s": "$"}, block=0),
                          lambda: other.xadd("s", {"f": "v"}, "1-1"))
                seen.append([client.blpop("q1", 0.05), other.lrange("q2", 0, -1)])
                seen.append(other.lrange("q3", 0, -1))
                return seen

        self.twice(work)

    def test_pub_sub(self):
        def work(client, port):
            with (redis.Redis(port=port, decode_responses=True) as other,
                  client.pubsub() as subscriber):
                subscriber.subscribe("news", "sport")
                subscriber.psubscribe("n*")
                seen = [messages(subscriber, 3)]
                seen.append([other.publish("news", i) for i in range(50)])
                seen.append(other.publish("sport", "s"))
                seen.append(messages(subscriber, 101))
                seen.append(other.pubsub_numsub("news", "nobody"))
                seen.append([other.pubsub_numpat(), sorted(other.pubsub_channels())])
                subscriber.ping()
                seen.append(messages(subscriber, 1))
                subscriber.unsubscribe("news")
                subscriber.punsubscribe()
                seen.append([messages(subscriber, 2), other.publish("news", "unheard")])
                subscriber.reset()
                heard = []
                subscriber.subscribe(handled=heard.append)
                thread = subscriber.run_in_thread(sleep_time=0.01)
                eventually(lambda: other.publish("handled", "h") == 1)
                eventually(lambda: heard)
                thread.stop()
                thread.join()
                return seen, heard[0]["data"]

        self.twice(work)

    def test_locks(self):
        def work(client, port):
            counter = {"n": 0}

            def count():
                with redis.Redis(port=port) as own:
                    for _ in range(20):
                        with own.lock("lock", timeout=10, sleep=0.002):
                            seen = counter["n"]
                            own.ping()
                            counter["n"] = seen + 1

            for each in [in_thread(count) for _ in range(4)]:
                each()
            lock = client.lock("held", timeout=10)
            seen = [lock.acquire(), client.lock("held", blocking_timeout=0.02).acquire()]
            seen += [lock.extend(5), lock.reacquire(), lock.owned(), lock.release()]
            seen.append(client.exists("held"))
            return counter, seen, error_of(lock.release)

        self.twice(work)

    def test_streams_with_groups(self):
        def work(client, port):
            client.xgroup_create("s", "g", "$", mkstream=True)
            for i in range(1, 21):
                client.xadd("s", {"f": i}, f"{i}-1")
            seen = [client.xreadgroup("g", "c1", {"s": ">"}, count=5)]
            seen.append(client.xack("s", "g", "1-1", "2-1"))
            seen.append([(each["message_id"], each["consumer"])
                         for each in client.xpending_range("s", "g", "-", "+", 9)])
            seen += [client.xautoclaim("s", "g", "c2", 0, "0-0", 2), client.xinfo_groups("s")]
            seen.append(client.xreadgroup("g", "c2", {"s": ">"}, count=30, block=10))
            return seen, client.xreadgroup("g", "c2", {"s": ">"}, block=10)

        self.twice(work)

    def test_scripts_and_functions(self):
        def work(client, port):
            script = client.register_script("return {KEYS[1], ARGV[1], redis.call('incr', 'runs')}")
            seen = [script(keys=["k"], args=["v"])]
            client.script_flush()
            with client.pipeline() as pipe:
                script(keys=["k"], args=["v"], client=pipe)
                seen.append(pipe.get("runs").execute())
            seen.append(error_of(lambda: client.evalsha("f" * 40, 0)))
            client.function_load(
                "#!lua name=lib\n"
                "redis.register_function('twice', function(k, a) return a[1] * 2 end)",
                replace=True)
            return seen, client.fcall("twice", 0, 21)

        self.twice(work)

    def test_asyncio(self):
        async def work(port):
            client = redis.asyncio.Redis(port=port, decode_responses=True)
            await client.flushall()
            seen = [await asyncio.gather(*(client.incr("n") for _ in range(100)))]
            seen[0].sort()
            async with client.pipeline(transaction=True) as pipe:
                seen.append(await pipe.set("t", 1).incr("t").execute())
            popping = [asyncio.ensure_future(client.blpop("q", 0)) for _ in range(10)]
            await client.rpush("q", *range(10))
            seen.append(sorted(await asyncio.wait_for(asyncio.gather(*popping), PATIENCE_S)))
            async with client.pubsub() as subscriber:
                await subscriber.subscribe("news")
                await subscriber.get_message(timeout=PATIENCE_S)
                await client.publish("news", "m")
                seen.append((await subscriber.get_message(timeout=PATIENCE_S))["data"])
            await client.close(close_connection_pool=True)
            return seen

        self.assertEqual(asyncio.run(work(DIRECT)), asyncio.run(work(WEIR)))


if __name__ == "__main__":
    unittest.main()
