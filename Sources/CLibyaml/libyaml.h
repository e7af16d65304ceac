/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's own header, as Swift imports it. */
#include <yaml.h>
