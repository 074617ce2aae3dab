// SPDX-License-Identifier: Apache-2.0
// Boost.Asio, compiled once (BOOST_ASIO_SEPARATE_COMPILATION); everything else includes declarations only.
#include <boost/asio/impl/src.hpp>
