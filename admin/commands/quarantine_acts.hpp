// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "admin/command.hpp"

namespace postsluice::admin {

int release_quarantined(context& ctx, const arguments& given);
int delete_quarantined(context& ctx, const arguments& given);
int keep_quarantined(context& ctx, const arguments& given);

} // namespace postsluice::admin
