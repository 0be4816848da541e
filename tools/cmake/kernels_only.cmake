# STERNA_KERNELS_ONLY: what differs from one instruction set to the next, and its tests, for a cross
# build where no library of the other processor is at hand: quant, nn on one thread, and the kernels
# of vision. Eigen and doctest are headers alone.
sterna_module(nn DEPENDS sterna_quant)
set_source_files_properties(nn/executor.cpp PROPERTIES HEADER_FILE_ONLY ON)  # needs oneTBB
target_sources(sterna_nn PRIVATE tests/support/serial_executor.cpp)

file(GLOB vision_kernels CONFIGURE_DEPENDS vision/conv_*.cpp vision/resample*.cpp)
add_library(sterna_vision OBJECT ${vision_kernels})
target_link_libraries(sterna_vision PUBLIC sterna_nn)
target_sources(sterna PRIVATE $<TARGET_OBJECTS:sterna_vision>)

if(STERNA_TESTS)
  enable_testing()
  add_subdirectory(tests)
endif()
