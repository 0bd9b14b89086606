#include "routing/facade.h"

#include <algorithm>
#include <utility>

#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kFirstState =
    "# Sentinel\r\nsentinel_masters:1\r\nsentinel_tilt:0\r\nsentinel_tilt_since_seconds:-1\r\n"
    "sentinel_running_scripts:0\r\nsentinel_scripts_queue_length:0\r\n"
    "sentinel_simulate_failure_flags:0\r\n";

struct Range {
  int64_t first, last;
};

Range SlotsOf(const Facade& facade, size_t i) {
  const size_t n = facade.weirs.size();
  return {.first = static_cast<int64_t>(i * kSlotCount / n),
          .last = static_cast<int64_t>((i + 1) * kSlotCount / n) - 1};
}

std::string Join(const HostPort& weir) { return Concat(weir.host, ":", weir.port); }

void WriteSlots(const Facade& facade, ReplyWriter& reply) {
  reply.ArrayHeader(facade.weirs.size());
  for (size_t i = 0; i < facade.weirs.size(); ++i) {
    const Range range = SlotsOf(facade, i);
    reply.ArrayHeader(3);
    reply.Integer(range.first);
    reply.Integer(range.last);
    reply.ArrayHeader(4);
    reply.Bulk(facade.weirs[i].host);
    reply.Integer(facade.weirs[i].port);
    reply.Bulk(FacadeId(facade.weirs[i]));
    reply.MapHeader(0);
  }
}

void WriteShards(const Facade& facade, ReplyWriter& reply) {
  reply.ArrayHeader(facade.weirs.size());
  for (size_t i = 0; i < facade.weirs.size(); ++i) {
    const HostPort& weir = facade.weirs[i];
    const Range range = SlotsOf(facade, i);
    reply.MapHeader(2);
    reply.Bulk("slots");
    reply.ArrayHeader(2);
    reply.Integer(range.first);
    reply.Integer(range.last);
    reply.Bulk("nodes");
    reply.ArrayHeader(1);
    reply.MapHeader(7);
    reply.Bulk("id");
    reply.Bulk(FacadeId(weir));
    reply.Bulk("port");
    reply.Integer(weir.port);
    reply.Bulk("ip");
    reply.Bulk(weir.host);
    reply.Bulk("endpoint");
    reply.Bulk(weir.host);
    reply.Bulk("role");
    reply.Bulk("master");
    reply.Bulk("replication-offset");
    reply.Integer(0);
    reply.Bulk("health");
    reply.Bulk("online");
  }
}

std::string NodesText(const Facade& facade) {
  std::string text;
  for (size_t i = 0; i < facade.weirs.size(); ++i) {
    const Range range = SlotsOf(facade, i);
    // Redis' bus is 10,000 above its port; nobody connects to it here.
    const int bus = facade.weirs[i].port <= 55535 ? facade.weirs[i].port + 10000 : 0;
    text += Concat(FacadeId(facade.weirs[i]), " ", Join(facade.weirs[i]), "@", bus, " ",
                   i == facade.self ? "myself,master" : "master", " - 0 0 ", i + 1, " connected ",
                   range.first, "-", range.last, "\n");
  }
  return text;
}

std::string ClusterInfo(const Facade& facade) {
  const size_t n = facade.weirs.size();
  return Concat("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n",
                "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:", n,
                "\r\ncluster_size:", n, "\r\ncluster_current_epoch:", n,
                "\r\ncluster_my_epoch:", facade.self + 1,
                "\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
                "total_cluster_links_buffer_limit_exceeded:0\r\n");
}

// The fields that sentinels give of an instance, as name and value.
using Fields = std::vector<std::pair<std::string_view, std::string>>;

void WriteFields(const Fields& fields, ReplyWriter& reply) {
  reply.MapHeader(fields.size());
  for (const auto& [name, value] : fields) {
    reply.Bulk(name);
    reply.Bulk(value);
  }
}

Fields InstanceFields(std::string name, const HostPort& at, std::string_view flags) {
  return {{"name", std::move(name)},
          {"ip", at.host},
          {"port", Concat(at.port)},
          {"runid", FacadeId(at)},
          {"flags", std::string(flags)},
          {"link-pending-commands", "0"},
          {"link-refcount", "1"},
          {"last-ping-sent", "0"},
          {"last-ok-ping-reply", "0"},
          {"last-ping-reply", "0"},
          {"down-after-milliseconds", "30000"}};
}

void WritePrimary(const Facade& facade, ReplyWriter& reply) {
  Fields fields = InstanceFields(facade.name, facade.weirs[facade.self], "master");
  const Fields more = {{"info-refresh", "0"},
                       {"role-reported", "master"},
                       {"role-reported-time", "0"},
                       {"config-epoch", "0"},
                       {"num-slaves", "0"},
                       {"num-other-sentinels", Concat(facade.weirs.size() - 1)},
                       {"quorum", "1"},
                       {"failover-timeout", "180000"},
                       {"parallel-syncs", "1"}};
  fields.insert(fields.end(), more.begin(), more.end());
  WriteFields(fields, reply);
}

void WriteSentinels(const Facade& facade, ReplyWriter& reply) {
  reply.ArrayHeader(facade.weirs.size() - 1);
  for (size_t i = 0; i < facade.weirs.size(); ++i) {
    if (i == facade.self) continue;
    Fields fields = InstanceFields(FacadeId(facade.weirs[i]), facade.weirs[i], "sentinel");
    fields.push_back({"last-hello-message", "0"});
    fields.push_back({"voted-leader", "?"});
    fields.push_back({"voted-leader-epoch", "0"});
    WriteFields(fields, reply);
  }
}

}  // namespace

// Not for secrets: four 64-bit FNV-1a hashes of the address behind different first bytes.
std::string FacadeId(const HostPort& weir) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (char seed = '0'; id.size() < 40; ++seed) {
    uint64_t hash = 14695981039346656037U;
    for (const char c :
         Concat(std::string_view(&seed, 1), Join(weir), std::string_view(&seed, 1))) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
    for (int i = 60; i >= 0 && id.size() < 40; i -= 4) id += kDigits[hash >> i & 15];
  }
  return id;
}

std::string FacadeClusterReply(const Facade& facade, const ArgList& args, int protocol_version) {
  std::string out;
  ReplyWriter reply(&out, protocol_version);
  const std::string_view what = args[1];
  if (IsKeyword(what, "slots")) {
    WriteSlots(facade, reply);
  } else if (IsKeyword(what, "shards")) {
    WriteShards(facade, reply);
  } else if (IsKeyword(what, "nodes")) {
    reply.Verbatim("txt", NodesText(facade));
  } else if (IsKeyword(what, "info")) {
    reply.Verbatim("txt", ClusterInfo(facade));
  } else if (IsKeyword(what, "myid") || IsKeyword(what, "myshardid")) {
    reply.Bulk(FacadeId(facade.weirs[facade.self]));
  } else if (IsKeyword(what, "keyslot")) {
    reply.Integer(KeySlot(args[2]));
  } else if (IsKeyword(what, "links")) {
    reply.ArrayHeader(0);
  } else if (IsKeyword(what, "replicas") || IsKeyword(what, "slaves")) {
    const bool known = std::any_of(facade.weirs.begin(), facade.weirs.end(),
                                   [&](const HostPort& weir) { return FacadeId(weir) == args[2]; });
    known ? reply.ArrayHeader(0) : reply.Error(Concat("Unknown node ", args[2]));
  }
  return out;
}

std::string FacadeSentinelReply(const Facade& facade, const ArgList& args, int protocol_version) {
  std::string out;
  ReplyWriter reply(&out, protocol_version);
  if (args.size() < 2) {
    reply.Error("wrong number of arguments for 'sentinel' command");
    return out;
  }
  const std::string_view what = args[1];
  if (IsKeyword(what, "masters") || IsKeyword(what, "myid")) {
    if (args.size() != 2) {
      reply.Error(Concat("wrong number of arguments for 'sentinel|", ToLower(what), "' command"));
    } else if (IsKeyword(what, "masters")) {
      reply.ArrayHeader(1);
      WritePrimary(facade, reply);
    } else {
      reply.Bulk(FacadeId(facade.weirs[facade.self]));
    }
    return out;
  }
  constexpr std::string_view kOfAPrimary[] = {
      "get-master-addr-by-name", "master", "replicas", "slaves", "sentinels", "ckquorum"};
  const auto found = std::find_if(std::begin(kOfAPrimary), std::end(kOfAPrimary),
                                  [&](std::string_view name) { return IsKeyword(what, name); });
  if (found == std::end(kOfAPrimary)) {
    reply.Error(Concat("weir: in this facade there is no SENTINEL ", what.substr(0, 64)));
  } else if (args.size() != 3) {
    reply.Error(Concat("wrong number of arguments for 'sentinel|", *found, "' command"));
  } else if (args[2] != facade.name) {
    found == std::begin(kOfAPrimary) ? reply.NullArray()
                                     : reply.Error("No such master with that name");
  } else if (*found == "get-master-addr-by-name") {
    reply.ArrayHeader(2);
    reply.Bulk(facade.weirs[facade.self].host);
    reply.Bulk(Concat(facade.weirs[facade.self].port));
  } else if (*found == "master") {
    WritePrimary(facade, reply);
  } else if (*found == "sentinels") {
    WriteSentinels(facade, reply);
  } else if (*found == "ckquorum") {
    reply.SimpleString(Concat("OK ", facade.weirs.size(),
                              " usable Sentinels. Quorum and failover authorization can be "
                              "reached"));
  } else {
    reply.ArrayHeader(0);
  }
  return out;
}

std::string FacadeSentinelInfo(const Facade& facade) {
  return Concat(kFirstState, "master0:name=", facade.name,
                ",status=ok,address=", Join(facade.weirs[facade.self]),
                ",slaves=0,sentinels=", facade.weirs.size(), "\r\n");
}

}  // namespace weir
