# Installs configuration, man page, systemd unit, dashboard and alert rules below
# CMAKE_INSTALL_PREFIX (and DESTDIR).
#
# Configuration lies in PREFIX/etc, but in /etc when the prefix is /usr; the unit says the paths
# that were chosen.
if(CMAKE_INSTALL_PREFIX MATCHES "^/(usr/?)?$")
  set(prefix /usr)
  set(etc /etc)
else()
  set(prefix "${CMAKE_INSTALL_PREFIX}")
  set(etc "${CMAKE_INSTALL_PREFIX}/etc")
endif()

file(READ "${WEIR_SOURCE_DIR}/conf/weir.service" unit)
string(REPLACE "/usr/bin/weir" "${prefix}/bin/weir" unit "${unit}")
string(REPLACE "/etc/weir/" "${etc}/weir/" unit "${unit}")
set(unit_file "${prefix}/lib/systemd/system/weir.service")
message(STATUS "Installing: $ENV{DESTDIR}${unit_file}")
file(WRITE "$ENV{DESTDIR}${unit_file}" "${unit}")
file(CHMOD "$ENV{DESTDIR}${unit_file}" FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${unit_file}")

file(INSTALL "${WEIR_SOURCE_DIR}/conf/weir.1" DESTINATION "${prefix}/share/man/man1")

file(INSTALL "${WEIR_SOURCE_DIR}/conf/grafana" "${WEIR_SOURCE_DIR}/conf/prometheus"
     DESTINATION "${prefix}/share/weir")

# A configuration that is already there is its owner's.
if(EXISTS "$ENV{DESTDIR}${etc}/weir/weir.toml")
  message(STATUS "Kept: $ENV{DESTDIR}${etc}/weir/weir.toml")
else()
  file(INSTALL "${WEIR_SOURCE_DIR}/conf/weir.toml" DESTINATION "${etc}/weir")
endif()
