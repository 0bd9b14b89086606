# Real clients at work through weir: each is a test that starts a Redis and a weir of its own.
set(with_weir ${CMAKE_CURRENT_LIST_DIR}/with_weir.py $<TARGET_FILE:weir>)

# weir_client_test(NAME COMMAND...): clients/NAME runs COMMAND beside them.
function(weir_client_test name)
  add_test(NAME clients/${name} COMMAND ${with_weir} ${ARGN})
  set_tests_properties(clients/${name} PROPERTIES TIMEOUT 300)
endfunction()

weir_client_test(redis_cli ${CMAKE_CURRENT_LIST_DIR}/redis_cli_test.sh)
weir_client_test(redis_benchmark ${CMAKE_CURRENT_LIST_DIR}/redis_benchmark_test.sh)
weir_client_test(redis_py ${CMAKE_CURRENT_LIST_DIR}/redis_py_test.py)
weir_client_test(redis_py_work ${CMAKE_CURRENT_LIST_DIR}/redis_py_work_test.py)

add_test(NAME clients/redis_py_cluster
         COMMAND ${with_weir} --facade=cluster ${CMAKE_CURRENT_LIST_DIR}/redis_py_cluster_test.py)
add_test(NAME clients/redis_py_sentinel
         COMMAND ${with_weir} --facade=sentinel ${CMAKE_CURRENT_LIST_DIR}/redis_py_sentinel_test.py)
set_tests_properties(clients/redis_py_cluster clients/redis_py_sentinel PROPERTIES TIMEOUT 300)

add_executable(hiredis_client_test clients/hiredis_client_test.cc clients/hiredis_work_test.cc)
target_link_libraries(hiredis_client_test PRIVATE PkgConfig::HIREDIS GTest::gtest_main Threads::Threads)
weir_client_test(hiredis $<TARGET_FILE:hiredis_client_test>)

set(node_dir ${CMAKE_CURRENT_BINARY_DIR}/node)
add_test(NAME clients/node_install COMMAND ${CMAKE_CURRENT_LIST_DIR}/node/install.sh ${node_dir})
set_tests_properties(clients/node_install PROPERTIES FIXTURES_SETUP node_clients TIMEOUT 300)
foreach(client ioredis ioredis_work node_redis node_redis_work iovalkey glide bullmq sessions
        cache_manager rate_limiter redlock redis_commander)
  weir_client_test(${client} ${node_dir}/node ${node_dir}/${client}_test.js)
  set_tests_properties(clients/${client} PROPERTIES FIXTURES_REQUIRED node_clients)
endforeach()
foreach(facade cluster sentinel)
  add_test(NAME clients/node_${facade}
           COMMAND ${with_weir} --facade=${facade} ${node_dir}/node ${node_dir}/${facade}_facade_test.js)
  set_tests_properties(clients/node_${facade} PROPERTIES FIXTURES_REQUIRED node_clients TIMEOUT 300)
endforeach()
