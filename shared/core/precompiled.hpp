// SPDX-License-Identifier: Apache-2.0
// What most files read of the standard library. The Makefile compiles it once and reads it in before each file: a
// quarter of a clean build. No file relies on that: each includes what it uses, as clang-tidy and the Debian package
// see it.
//
// Of the standard library only: with Asio and JSON in it, loading it costs those files that use neither more than it
// saves.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
