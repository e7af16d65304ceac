// SPDX-License-Identifier: Apache-2.0
import Datapath

extension Controller {
    /// What monitoring asks for again and again.
    ///
    /// - Returns: nil: no policy is in force.
    package func figures() throws(DatapathError) -> InstanceFigures? {
        do throws(DatapathError) {
            return try instance.figures()
        } catch {
            guard (try? generationInForce()) ?? nil == nil else { throw error }
            return nil
        }
    }
}
