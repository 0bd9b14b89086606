#!/usr/bin/python3
"""redis-py's Sentinel, unchanged, to a weir that has the facade of sentinels."""
import os
import unittest

from redis.sentinel import MasterNotFoundError, Sentinel

PORT = int(os.environ["WEIR_PORT"])


class RedisPySentinelTest(unittest.TestCase):
    def setUp(self):
        self.sentinel = Sentinel([("127.0.0.1", PORT)])

    def test_finds_weir_as_the_primary(self):
        self.assertEqual(self.sentinel.discover_master("mymaster"), ("127.0.0.1", PORT))
        self.assertEqual(self.sentinel.discover_slaves("mymaster"), [])
        with self.assertRaises(MasterNotFoundError):
            self.sentinel.discover_master("other")

    def test_works(self):
        primary = self.sentinel.master_for("mymaster")
        primary.set("a", "1")
        self.assertEqual(primary.incr("a"), 2)
        # Without replicas it reads from the primary.
        self.assertEqual(self.sentinel.slave_for("mymaster").get("a"), b"2")

    def test_its_own_commands(self):
        client = self.sentinel.sentinels[0]
        self.assertEqual(client.sentinel_get_master_addr_by_name("mymaster"),
                         (b"127.0.0.1", PORT))
        self.assertIsNone(client.sentinel_get_master_addr_by_name("other"))
        self.assertEqual(client.sentinel_master("mymaster")["flags"], "master")
        self.assertEqual(client.sentinel_sentinels("mymaster"), [])
        self.assertEqual(client.info("sentinel")["sentinel_masters"], 1)
        switches = client.pubsub()
        switches.subscribe("+switch-master")
        self.assertEqual(switches.get_message(timeout=10)["type"], "subscribe")
        switches.close()


if __name__ == "__main__":
    unittest.main()
