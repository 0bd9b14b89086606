// The listening socket is made here, because the library cannot let an old and a new process listen
// side by side and then say which port the system chose.
#include "proxy/admin.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "plugins/text.h"
#include "proxy/admin_pages.h"
#include "proxy/listen_address.h"

namespace weir {
namespace {

// A request that is on its way.
struct Exchange {
  size_t body_bytes = 0;  // thrown away so far
};

absl::Status SystemError(std::string_view prefix = "") {
  const std::string message = Concat(prefix, std::strerror(errno));
  return absl::FailedPreconditionError(message);
}

MHD_Result Send(MHD_Connection* connection, AdminReply reply) {
  MHD_Response* response =
      MHD_create_response_from_buffer(reply.body.size(), reply.body.data(), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", reply.content_type.data());
  MHD_add_response_header(response, "Cache-Control", "no-store");
  MHD_add_response_header(response, "Connection", "close");
  if (!reply.allow.empty()) MHD_add_response_header(response, "Allow", reply.allow.data());
  const MHD_Result result = MHD_queue_response(connection, reply.status, response);
  MHD_destroy_response(response);
  return result;
}

}  // namespace

struct Admin::Callbacks {
  // Called when a request's head is there, for each part of its body, and at its end. The answer
  // waits for the end: a socket closed while something lies unread is reset, and the reply lost.
  static MHD_Result OnRequest(void* admin, MHD_Connection* connection, const char* path,
                              const char* method, const char* /*version*/, const char* /*body*/,
                              size_t* body_bytes, void** exchange) {
    const Admin& self = *static_cast<const Admin*>(admin);
    if (*exchange == nullptr) {
      *exchange = new Exchange;
      return MHD_YES;
    }
    if (*body_bytes == 0) return Send(connection, AnswerAdmin(*self.source_, method, path));
    size_t& sum_bytes = static_cast<Exchange*>(*exchange)->body_bytes;
    sum_bytes += std::exchange(*body_bytes, 0);
    return sum_bytes <= self.limits_.body_bytes_max ? MHD_YES : MHD_NO;
  }

  static void OnEnd(void* /*admin*/, MHD_Connection* /*connection*/, void** exchange,
                    MHD_RequestTerminationCode /*code*/) {
    delete static_cast<Exchange*>(std::exchange(*exchange, nullptr));
  }

  static void OnConnection(void* admin, MHD_Connection* connection, void** /*context*/,
                           MHD_ConnectionNotificationCode what) {
    Admin& self = *static_cast<Admin*>(admin);
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    what == MHD_CONNECTION_NOTIFY_STARTED ? self.deadlines_.Begin(fd) : self.deadlines_.End(fd);
  }

  // Leaves paths and queries as they were sent: "/readyz%00" is not "/readyz".
  static size_t OnEscaped(void* /*admin*/, MHD_Connection* /*connection*/, char* text) {
    return std::strlen(text);
  }
};

absl::StatusOr<std::unique_ptr<Admin>> Admin::Start(std::string_view address, AdminSource* source,
                                                    const AdminLimits& limits) {
  std::unique_ptr<Admin> admin(new Admin(source, limits));
  absl::Status status = admin->Listen(address);
  if (status.ok()) status = admin->Serve();
  if (status.ok()) return admin;
  const std::string message =
      Concat("admin HTTP cannot listen on ", address, ": ", Message(status));
  return absl::FailedPreconditionError(message);
}

Admin::~Admin() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  if (listen_fd_ >= 0) ::close(listen_fd_);
}

absl::Status Admin::Listen(std::string_view text) {
  const absl::StatusOr<Address> address = ParseTcpAddress(text);
  if (!address.ok()) return address.status();
  listen_fd_ = ::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listen_fd_ < 0) return SystemError();
  const int on = 1;
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // So that an old process and the new one that takes over can listen side by side.
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (address->family() == AF_INET6) {
    ::setsockopt(listen_fd_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(listen_fd_, address->get(), address->length()) != 0) return SystemError();
  if (::listen(listen_fd_, static_cast<int>(limits_.connections_max)) != 0) return SystemError();
  address_ = Address::LocalOf(listen_fd_).ToString();
  return absl::OkStatus();
}

absl::Status Admin::Serve() {
  // From here on the library may close the socket, even if it fails, and does not say whether it
  // did: closing the number again could hit another's file.
  const int listen_fd = std::exchange(listen_fd_, -1);
  // poll, not epoll: with its edges, 0.9.75 forgets an end that arrives together with half a
  // request, which then keeps its place until the timeout.
  errno = 0;
  daemon_ = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, nullptr, nullptr,
                             &Callbacks::OnRequest, this, MHD_OPTION_LISTEN_SOCKET, listen_fd,  //
                             MHD_OPTION_CONNECTION_LIMIT, limits_.connections_max,              //
                             MHD_OPTION_CONNECTION_TIMEOUT, limits_.idle_timeout_s,             //
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits_.connection_bytes_max,  //
                             MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::OnConnection, this,      //
                             MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::OnEnd, nullptr,           //
                             MHD_OPTION_UNESCAPE_CALLBACK, &Callbacks::OnEscaped, nullptr,      //
                             MHD_OPTION_END);
  if (daemon_ == nullptr) return SystemError("its thread does not start: ");
  return absl::OkStatus();
}

}  // namespace weir
