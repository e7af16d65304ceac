/* libyaml's own header, as Swift imports it. */
#include <yaml.h>
