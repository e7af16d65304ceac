// SPDX-License-Identifier: Apache-2.0
import Control

extension Admission {
    package var json: JSON {
        [
            "port": .string(port.name), "interface": .string(port.interface), "netns": JSON(port.namespace),
            "generation": JSON(generation),
        ]
    }

    package var words: Words { "\(port.interface) is enforced as \(port.name), generation \(generation)\n" }
}
