// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How long a source waits for a server that is away, and how often it asks for all again.
struct Pauses: Sendable {
    var first = Duration.milliseconds(200)
    var longest = Duration.seconds(10)
    var resync = Duration.seconds(60)
    private var next: Duration?

    init(first: Duration = .milliseconds(200), longest: Duration = .seconds(10), resync: Duration = .seconds(60)) {
        self.first = first
        self.longest = longest
        self.resync = resync
    }

    mutating func restart() { next = nil }

    /// The pause that is due; each is twice as long as the one before.
    mutating func take() -> Duration {
        let pause = next ?? first
        next = min(pause * 2, longest)
        return pause
    }

    mutating func wait() {
        let pause = take()
        usleep(UInt32(pause / .microseconds(1)))
    }

    /// Has a source follow its server for ever. Whenever that fails, it says so, waits, and begins anew.
    ///
    /// - Parameter once: Follows until it fails. It calls what it is given when the server has answered.
    func follow(
        _ source: String, _ teller: WorkloadTeller, _ once: (_ answered: () -> Void) throws(EngineError) -> Void
    ) {
        var pauses = self
        while true {
            do throws(EngineError) {
                try once { pauses.restart() }
            } catch {
                teller.fail("\(source): \(error); what it said before holds")
            }
            pauses.wait()
        }
    }
}
