// SPDX-License-Identifier: Apache-2.0
// `postsluice account show ACCOUNT`: everything there is to say of one account, within 80 columns.
#pragma once

#include "admin/command.hpp"

namespace postsluice::admin {

int show_account(context& ctx, const arguments& given);

} // namespace postsluice::admin
