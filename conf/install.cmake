# What `cmake --install` puts in place besides the program. A script, run at that time, because the
# prefix may be chosen only then.
install(CODE "set(WEIR_SOURCE_DIR \"${PROJECT_SOURCE_DIR}\")")
install(SCRIPT ${PROJECT_SOURCE_DIR}/conf/install_files.cmake)
