// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Runs two closures at the same time if there are two processors and a thread can be created; otherwise one after the
/// other. If both throw, the first one's error is thrown.
package func together<First: Sendable, Second: Sendable, Failure: Error>(
    _ first: @Sendable () throws(Failure) -> First, _ second: @Sendable () throws(Failure) -> Second
) throws(Failure) -> (First, Second) {
    let (one, other) = withoutActuallyEscaping(second) { second in
        let place = Place<Second, Failure>()
        guard processors > 1, let thread = SideThread({ place.fill(Result(catching: second)) }) else {
            return (Result(catching: first), Result(catching: second))
        }
        let one = Result(catching: first)
        thread.join()
        return (one, place.result)
    }
    return (try one.get(), try other.get())
}

private let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))

/// The place where a thread leaves its result for the other.
private final class Place<Value: Sendable, Failure: Error>: Sendable {
    private let value = Mutex<Result<Value, Failure>?>(nil)

    func fill(_ result: Result<Value, Failure>) { value.withLock { $0 = result } }

    /// May be read only after the thread has ended.
    var result: Result<Value, Failure> {
        guard let result = value.withLock({ $0 }) else { preconditionFailure("the thread has run") }
        return result
    }
}
