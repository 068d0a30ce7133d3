# Several sources at a time are compiled as one, since most of the compiler's time goes to headers that
# they share: half of the build's. These cannot be: the one specializes templates that others use, the
# others refuse to be compiled beside what they include. ggml-cpu has a function of one name in two of its
# sources, so there it is fewer at a time.
function(keep_apart)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/common/json.cpp TARGET_DIRECTORY llama-common
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tools/mtmd/mtmd-helper.cpp
                              ${PROJECT_SOURCE_DIR}/tools/mtmd/mtmd-helper-gen.cpp TARGET_DIRECTORY mtmd
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(ggml-cpu PROPERTIES UNITY_BUILD_BATCH_SIZE 8)
endfunction()
cmake_language(DEFER CALL keep_apart)
