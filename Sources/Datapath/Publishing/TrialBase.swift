// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Glibc
import Host
import Libbpf

/// What the base of a trial must know to go on after it: it adopts what the trial passed without a flow, from the
/// trial's end on.
extension LiveImage {
    /// Notes what a trial will do at each device. Nothing heeds it before the trial has ended.
    ///
    /// - Parameter mapping: This image's own.
    func prepare(for trial: LiveImage, in mapping: borrowing Mapping) {
        let tried = Dictionary(trial.devices().map { ($0.id, $0) }) { first, _ in first }
        for device in devices() {
            var flags = UInt32(device.raw.flags)
            if let there = tried[device.id], there.mode != nil {
                if trial.passesUntracked(there.record) { flags |= BH_DEVICE_UNTRACKED.rawValue }
            } else {
                flags |= BH_DEVICE_SPARED.rawValue
            }
            mapping.store(UInt8(flags), in: \bh_device.flags, at: place(device))
        }
    }

    /// Writes down what the programs work out by themselves as long as the trial is not settled.
    ///
    /// - Parameters:
    ///   - trial: One that has ended.
    ///   - mapping: This image's own.
    func goOn(after trial: Trial, in mapping: borrowing Mapping) {
        let end = trial.endOnMonotonicClock
        let all = devices().map { (place: place($0), flags: flags($0, mapping)) }
        let isAsked = all.contains { $0.flags & BH_DEVICE_UNTRACKED.rawValue != 0 }
        for device in all {
            if device.flags & BH_DEVICE_SPARED.rawValue != 0 {
                mapping.store(end, in: \bh_device.attached_at, at: device.place)
            }
            // What is asked now is the trial, which does not know of earlier times.
            if isAsked, device.flags & BH_DEVICE_UNTRACKED.rawValue == 0 {
                mapping.store(0, in: \bh_device.untracked_at, at: device.place)
            }
        }
        guard isAsked else { return }
        mapping.store(trial.generation, in: \bh_image_header.before)
        for device in all where device.flags & BH_DEVICE_UNTRACKED.rawValue != 0 {
            mapping.store(end, in: \bh_device.untracked_at, at: device.place)
        }
    }

    private func flags(_ device: DeviceRecord, _ mapping: borrowing Mapping) -> UInt32 {
        UInt32(mapping.load(\bh_device.flags, at: place(device)) ?? 0)
    }

    private func place(_ device: DeviceRecord) -> Int {
        Int(view.header.devices) + Int(device.id) * MemoryLayout<bh_device>.stride
    }
}

extension Trial {
    /// When it ended, in nanoseconds of CLOCK_MONOTONIC; never 0.
    var endOnMonotonicClock: UInt64 {
        let (boot, now) = (KernelClock.nanoseconds(CLOCK_BOOTTIME), KernelClock.nanoseconds())
        let since = boot - min(until, boot)
        return now - min(since, now - 1)
    }
}
