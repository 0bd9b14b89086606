#!/usr/bin/python3
"""redis-py (Debian's) doing ordinary work through weir."""
import os
import threading
import unittest

import redis

PORT = int(os.environ["WEIR_PORT"])


def connect(**options):
    return redis.Redis(port=PORT, **options)


class RedisPyTest(unittest.TestCase):
    def setUp(self):
        self.client = connect(decode_responses=True)
        self.client.flushall()

    def tearDown(self):
        self.client.close()

    def test_strings_and_numbers(self):
        self.assertTrue(self.client.ping())
        self.assertTrue(self.client.set("k", "v", ex=100))
        self.assertEqual(self.client.get("k"), "v")
        self.assertIsNone(self.client.get("nosuch"))
        self.assertEqual(self.client.incrby("n", 5), 5)
        self.assertAlmostEqual(self.client.incrbyfloat("f", 1.5), 1.5)
        self.assertEqual(self.client.mget("k", "nosuch", "n"), ["v", None, "5"])
        self.assertTrue(99 <= self.client.ttl("k") <= 100)

    def test_collections(self):
        self.client.hset("h", mapping={"a": 1, "b": 2})
        self.assertEqual(self.client.hgetall("h"), {"a": "1", "b": "2"})
        self.client.rpush("l", *range(1000))
        self.assertEqual(self.client.lrange("l", 0, -1), [str(i) for i in range(1000)])
        self.client.sadd("s", "x", "y")
        self.assertEqual(self.client.smembers("s"), {"x", "y"})
        self.client.zadd("z", {"a": 1.5, "b": 2})
        self.assertEqual(self.client.zrange("z", 0, -1, withscores=True), [("a", 1.5), ("b", 2.0)])
        entry = self.client.xadd("x", {"f": "v"})
        self.assertEqual(self.client.xrange("x"), [(entry, {"f": "v"})])

    def test_scanning(self):
        for i in range(500):
            self.client.set(f"scan:{i}", i)
        self.assertEqual(len(set(self.client.scan_iter("scan:*", count=50))), 500)

    def test_binary_values(self):
        client = connect()
        value = bytes(range(256)) * 5000
        client.set(b"\x00bin\r\n", value)
        self.assertEqual(client.get(b"\x00bin\r\n"), value)

    def test_pipeline_without_transaction(self):
        pipeline = self.client.pipeline(transaction=False)
        for i in range(5000):
            pipeline.set(f"p{i}", i).get(f"p{i}")
        results = pipeline.execute()
        self.assertEqual(results[1::2], [str(i) for i in range(5000)])

    def test_pipeline_with_an_error_in_it(self):
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set("k", "text").incr("k").get("k")
        results = pipeline.execute(raise_on_error=False)
        self.assertIsInstance(results[1], redis.ResponseError)
        self.assertEqual(results[2], "text")

    def test_scripts(self):
        script = self.client.register_script("return {KEYS[1], ARGV[1]}")
        self.assertEqual(script(keys=["a"], args=["b"]), ["a", "b"])
        self.client.script_flush()
        self.assertEqual(script(keys=["a"], args=["c"]), ["a", "c"])

    def test_databases_and_names(self):
        three = connect(db=3, client_name="three", decode_responses=True)
        three.set("k", "in three")
        self.assertIsNone(self.client.get("k"))
        self.assertEqual(three.client_getname(), "three")
        self.assertIn("three", [client["name"] for client in self.client.client_list()])

    def test_server_information(self):
        self.assertTrue(self.client.info()["redis_version"].startswith("7."))
        self.assertIn("maxmemory", self.client.config_get("maxmemory"))
        self.assertGreater(self.client.command_count(), 200)
        self.assertIn("get", self.client.command())
        self.assertEqual(self.client.dbsize(), 0)

    def test_errors(self):
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            self.client.execute_command("NOSUCH")
        self.client.set("k", "v")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            self.client.lpush("k", 1)
        with self.assertRaises(redis.exceptions.NoPermissionError):
            self.client.execute_command("SHUTDOWN")
        self.assertEqual(self.client.get("k"), "v")

    def test_transactions(self):
        with self.client.pipeline() as pipe:
            self.assertEqual(pipe.set("t", "1").incr("t").get("t").execute(), [True, 2, "2"])
        with self.client.pipeline() as pipe:
            pipe.watch("t")
            self.assertEqual(pipe.get("t"), "2")
            self.client.set("t", "9")
            pipe.multi()
            pipe.incr("t")
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.client.transaction(lambda pipe: (pipe.multi(), pipe.incr("t")), "t")
        self.assertEqual(self.client.get("t"), "10")

    def test_blocking(self):
        self.client.rpush("jobs", "a")
        self.assertEqual(self.client.blpop("jobs", timeout=1), ("jobs", "a"))
        self.assertIsNone(self.client.blpop("jobs", timeout=0.1))

    def test_many_threads_over_one_pool(self):
        failures = []

        def work(name):
            for i in range(200):
                key = f"{name}:{i % 10}"
                self.client.set(key, f"{name}-{i}")
                if self.client.get(key) != f"{name}-{i}":
                    failures.append((name, i))

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
