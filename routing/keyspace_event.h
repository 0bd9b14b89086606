// Keyspace notifications: channels on which a node tells only its own subscribers what happens to
// its own keys, other than what is published, which a cluster's nodes all hear.
#ifndef WEIR_ROUTING_KEYSPACE_EVENT_H_
#define WEIR_ROUTING_KEYSPACE_EVENT_H_

#include <string_view>

namespace weir {

// Whether events come on this channel: "__keyspace@<db>__:<key>", "__keyevent@<db>__:<event>".
bool IsKeyspaceEvent(std::string_view channel);
// Whether PSUBSCRIBE's pattern may match such a channel. False is certain.
bool MayMatchKeyspaceEvents(std::string_view pattern);

}  // namespace weir

#endif  // WEIR_ROUTING_KEYSPACE_EVENT_H_
