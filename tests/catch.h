// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

// Catch2 2.x and 3.x put their header in different places.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
