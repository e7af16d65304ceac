// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Work on a thread of its own, such as traffic that goes on during a test. When this object goes, it asks the work to
/// stop, so that a failing test leaves no thread behind.
public final class Background<Value: Sendable>: Sendable {
    private final class State: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
        let isStopped = Mutex(false)
    }

    private let state = State()

    /// `body` calls its argument now and then to learn whether to stop.
    public init(_ body: @escaping @Sendable (_ isStopped: () -> Bool) throws -> Value) {
        let thread = Thread { [state] in
            let result = Result { try body { state.isStopped.withLock { $0 } } }
            state.result.withLock { $0 = result }
        }
        thread.start()
    }

    deinit { state.isStopped.withLock { $0 = true } }

    /// Whether the work has ended.
    public var isDone: Bool { state.result.withLock { $0 != nil } }

    /// Asks the work to stop, waits, and returns its result.
    public func stop() throws -> Value {
        state.isStopped.withLock { $0 = true }
        return try value()
    }

    /// Waits for the work to end, see ``poll(seconds:_:)``.
    public func value(seconds: Double = 30) throws -> Value {
        guard poll(seconds: seconds, { isDone }) else {
            throw CommandFailure(description: "background work took more than \(seconds * Patience.factor) s")
        }
        return try state.result.withLock { result in
            guard let result else { throw CommandFailure(description: "no result") }
            return try result.get()
        }
    }
}
