// SPDX-License-Identifier: Apache-2.0
import Datapath

extension DetachReport {
    package func json(_ instance: String) -> JSON {
        ["instance": .string(instance), "detached": JSON(ports)]
    }

    /// - Parameter instance: What is out of the kernel as a whole; nil: only the ports are detached.
    package func words(outOfKernel instance: String?) -> Words {
        let detached: Words = ports.map { "\($0) is detached and passes all traffic\n" }.joined()
        return instance.map { detached + "instance \($0) is out of the kernel\n" } ?? detached
    }
}
