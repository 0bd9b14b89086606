# Redis' own test suite through weir, a test for each of its files that direct.txt knows.
set(conformance ${CMAKE_CURRENT_LIST_DIR}/run.py --recorded --jobs 1 --weir $<TARGET_FILE:weir>)
add_test(NAME conformance/source COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.py --fetch)
set_tests_properties(conformance/source PROPERTIES FIXTURES_SETUP conformance_source TIMEOUT 300)

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/direct.txt)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/direct.txt units REGEX "^\\[unit/.*\\]$")
foreach(line ${units})
  string(REGEX REPLACE "^\\[(.*)\\]$" "\\1" unit ${line})
  string(REPLACE "unit/" "" name ${unit})
  add_test(NAME conformance/${name} COMMAND ${conformance} ${unit})
  set_tests_properties(conformance/${name} PROPERTIES FIXTURES_REQUIRED conformance_source TIMEOUT 600)
endforeach()
