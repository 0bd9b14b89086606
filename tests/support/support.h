// The test harness in one include: black-box tests see weir only from outside, through sockets,
// signals, /proc and what it prints.
//
//   RawClient -> WeirServer -> (Saboteur ->) RedisServer | FakeBackend
//
// Each test starts what it needs on ports the system chose, so all may run at once; each server is
// killed when its object dies, and by the kernel should the test itself die first.
#ifndef WEIR_TESTS_SUPPORT_SUPPORT_H_
#define WEIR_TESTS_SUPPORT_SUPPORT_H_

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/fake_backend.h"
#include "tests/support/net.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp.h"
#include "tests/support/saboteur.h"
#include "tests/support/seed.h"
#include "tests/support/sentinel.h"
#include "tests/support/weir_server.h"

#endif  // WEIR_TESTS_SUPPORT_SUPPORT_H_
