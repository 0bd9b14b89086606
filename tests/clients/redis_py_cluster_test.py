#!/usr/bin/python3
"""redis-py's RedisCluster, unchanged, to a weir that has the facade of a cluster."""
import os
import unittest

from redis.cluster import ClusterNode, RedisCluster

PORT = int(os.environ["WEIR_PORT"])


class RedisPyClusterTest(unittest.TestCase):
    def setUp(self):
        self.client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", PORT)],
                                   decode_responses=True)
        self.client.flushall()

    def tearDown(self):
        self.client.close()

    def test_finds_weir_for_every_slot(self):
        self.assertEqual([node.port for node in self.client.get_nodes()], [PORT])
        self.assertEqual(len(self.client.nodes_manager.slots_cache), 16384)

    def test_works_over_slots(self):
        for i in range(200):
            self.client.set(f"k{i}", i)
        self.assertEqual([self.client.get(f"k{i}") for i in range(200)],
                         [str(i) for i in range(200)])
        self.assertEqual(self.client.mget_nonatomic("k1", "k2", "k3"), ["1", "2", "3"])
        self.assertEqual(self.client.dbsize(), 200)
        self.assertEqual(self.client.cluster_keyslot("k1"), 12706)
        self.assertEqual(self.client.info()["redis_mode"], "cluster")
        self.assertEqual(self.client.info()["cluster_enabled"], 1)

    def test_pipelines(self):
        pipeline = self.client.pipeline()
        for i in range(500):
            pipeline.incr(f"n{i % 7}")
        self.assertEqual(pipeline.execute()[-1], 72)

    def test_reads_from_replicas_find_weir(self):
        client = RedisCluster(host="127.0.0.1", port=PORT, read_from_replicas=True)
        client.set("a", "1")
        self.assertEqual(client.get("a"), b"1")
        client.close()


if __name__ == "__main__":
    unittest.main()
