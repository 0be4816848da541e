# What pictures are decoded with. STERNA_OPENCV=ON: libjpeg-turbo, libpng, libwebp, giflib in the
# library, and libtiff, OpenCV's codecs and video in a module that is loaded when one is needed.
# OFF: stb_image alone.
find_path(STERNA_STB_INCLUDE stb/stb_image.h REQUIRED)
target_include_directories(sterna_vision SYSTEM PRIVATE ${STERNA_STB_INCLUDE})
target_sources(sterna_vision PRIVATE vision/codecs/stb.cpp)
# The resize rounds as Pillow's baseline build does: no fused multiply-add in its weights.
set_source_files_properties(vision/resize.cpp PROPERTIES COMPILE_OPTIONS -ffp-contract=off)

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
