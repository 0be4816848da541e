# What pictures are decoded with. STERNA_OPENCV=ON: libjpeg-turbo, libpng, libwebp, giflib in the
# library, and libtiff, OpenCV's codecs and video in a module that is loaded when one is needed.
# OFF: stb_image alone.
find_path(STERNA_STB_INCLUDE stb/stb_image.h REQUIRED)
target_include_directories(sterna_vision SYSTEM PRIVATE ${STERNA_STB_INCLUDE})
target_sources(sterna_vision PRIVATE vision/codecs/stb.cpp)

if(STERNA_OPENCV)
  find_package(JPEG REQUIRED)
  find_package(PNG REQUIRED)
  find_package(GIF REQUIRED)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(STERNA_WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
  target_sources(sterna_vision PRIVATE
    vision/codecs/jpeg.cpp vision/codecs/png.cpp vision/codecs/webp.cpp vision/codecs/gif.cpp)
  set(codecs JPEG::JPEG PNG::PNG GIF::GIF PkgConfig::STERNA_WEBP ${CMAKE_DL_LIBS})
  target_link_libraries(sterna_vision PRIVATE ${codecs})
  target_link_libraries(sterna PRIVATE ${codecs})
  target_compile_definitions(sterna_vision PRIVATE STERNA_HAVE_OPENCV)
endif()

if(STERNA_OPENCV)
  find_package(TIFF REQUIRED)
  # Debian's OpenCVConfig.cmake comes with every OpenCV module there is; three are wanted.
  find_path(STERNA_OPENCV_INCLUDE opencv2/videoio.hpp PATH_SUFFIXES opencv4 REQUIRED)
  set(opencv_libraries)
  foreach(part core imgcodecs videoio)
    find_library(STERNA_OPENCV_${part} opencv_${part} REQUIRED)
    list(APPEND opencv_libraries ${STERNA_OPENCV_${part}})
  endforeach()
  file(GLOB module_sources CONFIGURE_DEPENDS vision/opencv/*.cpp vision/opencv/*.h)
  add_library(sterna_opencv MODULE ${module_sources})
  # Found by the library beside itself, in ../lib, or in <libdir>/sterna (vision/module.cpp).
  set_target_properties(sterna_opencv PROPERTIES
    OUTPUT_NAME sterna-opencv PREFIX lib SUFFIX .so CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  target_include_directories(sterna_opencv SYSTEM PRIVATE ${STERNA_OPENCV_INCLUDE})
  target_link_libraries(sterna_opencv PRIVATE TIFF::TIFF ${opencv_libraries}
                                              ${CMAKE_DL_LIBS})
  target_compile_definitions(sterna_vision PRIVATE
    STERNA_LIBDIR="${CMAKE_INSTALL_LIBDIR}"
    STERNA_MODULE_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/sterna")
  add_dependencies(sterna sterna_opencv)
endif()
